"""Lists, entries, matches and decisions in the catalog, and what other processes see of them."""

import numpy as np
import pytest

from copysight.catalog.moderation.lists import Learned, ListPolicy
from copysight.catalog.moderation.matches import NewMatch
from copysight.catalog.moderation.moderation import Moderation, NewMatchDecision
from copysight.errors import InvalidArgument, ItemNotFound
from copysight.index import Index, backup, restore


@pytest.fixture
def filled(tmp_path, graphless, item):
    """Ten items in the collection `banned`."""
    with Index.create(tmp_path / "index", graphless.path) as index:
        index.catalog.add([item(f"{i}", i, collection="banned") for i in range(10)], model=index.bundle.id)
        yield index


@pytest.fixture
def clock():
    return [1_000_000.0]


@pytest.fixture
def moderation(filled, clock):
    return Moderation(filled.catalog._database, lambda: clock[0])


def found(sha, number, query, **more):
    about = {"stated": 0.95, "probability": 0.95, "verdict": "copy", "policy": "review", "action": "review"}
    return NewMatch("banned", number, sha(number - 1), query, **(about | more))


def test_a_list_is_stored_replaced_and_forgotten(moderation):
    policy = ListPolicy("banned", "block", precision=0.99, note="licences")
    assert moderation.put_list(policy, "desk")
    assert not moderation.put_list(ListPolicy("banned", "review", action="ask"), "lead")
    moderation.learn("banned", Learned(0.8, -0.5, 60))
    assert not moderation.put_list(policy, "desk")  # keeps what was learned
    [stored] = moderation.lists()
    assert (stored.list, stored.author, stored.learned) == (policy, "desk", Learned(0.8, -0.5, 60))
    assert stored.list.action == "block"
    moderation.delete_list("banned")
    assert moderation.lists() == []
    with pytest.raises(ItemNotFound, match="GET /lists"):
        moderation.delete_list("banned")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"policy": "burn"}, "block, allow, review"),
        ({"name": "a\nb"}, "control characters"),
        ({"name": ""}, "1 to 200"),
        ({"precision": 1.0}, "between 0 and 1"),
        ({"expires": float("inf")}, "seconds since the epoch"),
        ({"flood": 0}, "within 1"),
        ({"action": "x" * 256}, "action"),
        ({"note": "\0"}, "NUL"),
    ],
)
def test_a_wrong_policy_is_refused(change, words):
    with pytest.raises(InvalidArgument, match=words):
        ListPolicy(**({"name": "banned", "policy": "block"} | change))


def test_a_list_matches_until_it_expires_or_is_turned_off(moderation, clock):
    moderation.put_list(ListPolicy("a", "block", expires=clock[0] + 10))
    moderation.put_list(ListPolicy("b", "block", enabled=False))
    moderation.put_list(ListPolicy("c", "allow"))
    assert moderation.rules().active(clock[0] + 9).keys() == {"a", "c"}
    assert moderation.rules().active(clock[0] + 10).keys() == {"c"}


def test_entries_change_field_by_field_and_hide_items_from_searches(moderation, filled, clock, unit):
    moderation.change(3, {"disabled": True, "note": "too broad", "labels": ("poison",)}, "desk")
    moderation.change(3, {"labels": ("poison", "blank")})
    moderation.change(4, {"expires": clock[0] + 5})
    entry = moderation.entries([3, 4, 5])
    assert entry.keys() == {3, 4}
    assert (entry[3].disabled, entry[3].note, entry[3].labels) == (True, "too broad", ("poison", "blank"))
    assert {one.item: one.since for one in moderation.rules().hidden} == {3: 0.0, 4: clock[0] + 5}
    assert moderation.page("disabled", "banned", 0, 10) == [3]
    assert moderation.page("expired", None, 0, 10) == []
    clock[0] += 5
    assert moderation.page("expired", None, 0, 10) == [4]
    assert moderation.counts("expired") == {"banned": 1}
    with pytest.raises(ItemNotFound):
        moderation.change(99, {"disabled": True})
    with pytest.raises(InvalidArgument, match="label"):
        moderation.change(3, {"labels": ("",)})
    snapshot = filled.snapshot()
    without = snapshot.without(np.array([3]))
    assert snapshot.search(unit(2)[None], 1)[0][0].id == 3
    assert 3 not in {one.id for one in without.search(unit(2)[None], 10)[0]}
    assert (without.count, without.holds(3), without.holds(4), without.sequence) == (9, False, True, snapshot.sequence)


def test_another_process_sees_a_change(moderation, filled):
    before = filled.catalog.sequence()
    with Index.open(filled.directory) as other:
        other.catalog.moderation.put_list(ListPolicy("banned", "block"))
    assert moderation.version() == filled.catalog.sequence() == before + 1
    assert [one.list.name for one in moderation.rules().lists] == ["banned"]


def test_several_collections_are_searched_at_once(filled, item, unit):
    new = [item("x", 20, collection="other"), item("y", 21, collection="third")]
    filled.catalog.add(new, model=filled.bundle.id)
    ids = {one.id for one in filled.snapshot().search(unit(20)[None], 20, collection=("other", "third"))[0]}
    assert ids == {11, 12}
    assert filled.snapshot().search(unit(20)[None], 20, collection=("none",))[0] == []


def test_the_same_query_and_item_are_one_match(moderation, filled, sha, clock):
    [first] = moderation.record([found(sha, 1, "a" * 64)], "desk")
    clock[0] += 7
    assert moderation.record([found(sha, 1, "a" * 64, upload=9), found(sha, 2, "a" * 64)]) == [first, first + 1]
    match = moderation.match(first)
    assert (match.made, match.latest, match.times, match.author, match.upload) == (1e6, 1e6 + 7, 2, "desk", 9)
    before = filled.catalog.sequence()
    moderation.record([found(sha, 1, "b" * 64)])
    assert filled.catalog.sequence() == before  # a match changes nothing that a search depends on


def test_a_denied_pair_is_denied_in_either_order_until_it_is_confirmed(moderation, sha):
    [number] = moderation.record([found(sha, 1, sha(50))])
    made = moderation.decide(NewMatchDecision("deny", "another album", match=number), "desk")
    assert (made.list, made.item, made.query, made.stated, made.author) == ("banned", 1, sha(50), 0.95, "desk")
    assert moderation.denied(sha(50)) == {sha(0)}
    assert moderation.denied(sha(0)) == {sha(50)}
    assert moderation.rules().denied
    moderation.decide(NewMatchDecision("confirm", query=sha(50), item=1))
    assert moderation.denied(sha(50)) == frozenset()
    assert [one.decision for one in moderation.decisions("banned")] == ["deny", "confirm"]
    assert [one.correct for one in moderation.answered("banned", 10)] == [True]
    moderation.decide(NewMatchDecision("deny", query=sha(60), item=2))  # of no list: it was never recorded
    assert moderation.decisions(item=2)[0].list is None
    for new, error in (
        (NewMatchDecision("deny"), InvalidArgument),
        (NewMatchDecision("deny", match=999), ItemNotFound),
        (NewMatchDecision("deny", query=sha(1), item=999), ItemNotFound),
        (NewMatchDecision("deny", query="x", item=1), InvalidArgument),
    ):
        with pytest.raises(error):
            moderation.decide(new)


def test_an_item_that_is_denied_often_goes_to_quarantine_and_comes_back(moderation, sha):
    moderation.put_list(ListPolicy("banned", "block", denials=3))
    for turn in range(2):
        numbers = moderation.record([found(sha, 1, sha(100 + 10 * turn + i)) for i in range(3)])
        for number in [numbers[0], *numbers]:  # twice the same pair counts once
            assert moderation.rules().quarantined == frozenset()
            moderation.decide(NewMatchDecision("deny", match=number))
        assert moderation.rules().quarantined == {1}
        assert moderation.entries([1])[1].reason == "3 matches were denied"
        moderation.change(1, {"quarantined": False})
        assert moderation.rules().quarantined == frozenset()
        moderation.clock = lambda: 2_000_000.0


def test_a_withdrawn_decision_counts_no_more(moderation, sha):
    first = moderation.decide(NewMatchDecision("confirm", query=sha(50), item=1))
    second = moderation.decide(NewMatchDecision("deny", query=sha(50), item=1), "desk")
    before = moderation.version()
    assert moderation.withdraw(second.id, "lead") == second
    assert moderation.version() > before  # other processes read the rules again
    assert (moderation.denied(sha(50)), moderation.rules().denied) == (frozenset(), False)
    assert moderation.decisions() == [first]
    with pytest.raises(ItemNotFound, match="perhaps it was withdrawn"):
        moderation.withdraw(second.id)
    assert moderation.decide(NewMatchDecision("deny", query=sha(50), item=1)).id > second.id  # an id names one decision


def test_what_a_withdrawn_denial_had_quarantined_comes_out(moderation, filled, sha):
    moderation.put_list(ListPolicy("banned", "block", denials=2))
    numbers = moderation.record([found(sha, item, sha(100 + i)) for item in (1, 2, 3) for i in range(3)])
    made = [moderation.decide(NewMatchDecision("deny", match=number)) for number in numbers]
    assert moderation.rules().quarantined == {1, 2, 3}
    moderation.withdraw(made[0].id)
    assert moderation.rules().quarantined == {1, 2, 3}  # two denials are left
    moderation.withdraw(made[1].id)
    assert moderation.rules().quarantined == {2, 3}
    assert moderation.entries([1])[1].reason is None
    moderation.decide(NewMatchDecision("deny", match=numbers[0]))
    assert moderation.rules().quarantined == {1, 2, 3}  # the denial that was left still counts
    moderation.change(2, {"quarantined": True})  # by hand
    filled.delete([3])
    for one in made[3:]:
        moderation.withdraw(one.id)
    assert moderation.rules().quarantined == {1, 2, 3}


def test_an_item_that_floods_goes_to_quarantine(moderation, sha, clock):
    moderation.put_list(ListPolicy("banned", "review", flood=20))
    for number in range(40):
        moderation.record([found(sha, 1, sha(100 + number))] * 2)
        clock[0] += 181  # twenty in an hour
    assert moderation.rules().quarantined == frozenset()
    for number in range(25):
        moderation.record([found(sha, 2, sha(200 + number))])
        assert (2 in moderation.rules().quarantined) == (number >= 20)
        clock[0] += 60
    assert moderation.entries([2])[2].reason == "more than 20 pictures matched within an hour"


def test_it_survives_a_backup(moderation, filled, sha, tmp_path):
    moderation.put_list(ListPolicy("banned", "block"))
    moderation.change(1, {"note": "from the police"})
    moderation.decide(NewMatchDecision("deny", query=sha(60), item=2))
    backup(filled, tmp_path / "saved")
    restore(tmp_path / "saved", tmp_path / "restored", allow_missing=True)
    with Index.open(tmp_path / "restored") as again:
        assert [one.list.name for one in again.catalog.moderation.lists()] == ["banned"]
        assert again.catalog.moderation.entries([1])[1].note == "from the police"
        assert again.catalog.moderation.denied(sha(60)) == {sha(1)}
