"""Decisions about copies survive what happens to an index, and removed items come back as they were."""

import pytest

from copysight.catalog.curation.decisions import NewDecision
from copysight.catalog.relocation import Move
from copysight.errors import BundleMismatch, InvalidArgument, ItemNotFound
from copysight.index import Index, backup, prune, publish, restore, verify


@pytest.fixture
def filled(tmp_path, graphless, item):
    """Ten items with metadata and originals; the last two have equal bytes."""
    with Index.create(tmp_path / "index", graphless.path) as index:
        index.catalog.fields.declare("n")
        new = [item(f"{i}", min(i, 8), metadata={"n": i}) for i in range(10)]
        index.catalog.add(new, model=index.bundle.id)
        publish(index)
        yield index


def names(index):
    return [(one.decision, one.sha256s) for one in index.catalog.curation.decisions()]


def test_decisions_survive_moves_deletes_rebuilds_and_backups(filled, sha, tmp_path):
    pair = NewDecision("not_duplicates", (sha(0), sha(1)))
    filled.catalog.curation.decide([pair, NewDecision("keep", (sha(2), sha(3)))], author="media desk")
    known = filled.catalog.known("default")
    for turn in range(100):
        moves = [Move(one, f"{turn}/{one.id}", None) for one in filled.catalog.known("default")]
        assert filled.catalog.relocate("default", moves, known[4 + turn % 4 : 5 + turn % 4]).moved >= 6
        if turn % 10 == 0:
            publish(filled)
    expected = [("not_duplicates", (sha(0), sha(1))), ("keep", (sha(2), sha(3)))]
    assert names(filled) == expected
    assert {one.author for one in filled.catalog.curation.decisions()} == {"media desk"}
    backup(filled, tmp_path / "saved")
    restore(tmp_path / "saved", tmp_path / "restored", allow_missing=True)
    with Index.open(tmp_path / "restored") as again:
        assert names(again) == expected


def test_removed_items_come_back_with_id_metadata_and_vector(filled, unit):
    curation, before = filled.catalog.curation, filled.catalog.page()
    done = curation.decide([], removed=[3, 10])
    assert done.removed == 2
    assert [one.id for one in filled.catalog.page()] == [1, 2, 4, 5, 6, 7, 8, 9]
    assert filled.snapshot().count == 8
    assert filled.snapshot().search(unit(2)[None], 1)[0][0].id != 3
    publish(filled)
    prune(filled, 1)
    undone = curation.undo(done.batch)
    assert (undone.restored, undone.left) == (2, ())
    after = filled.catalog.page()
    assert [(one.id, one.key, one.metadata) for one in after] == [(one.id, one.key, one.metadata) for one in before]
    assert filled.snapshot().search(unit(2)[None], 1)[0][0].id == 3
    assert filled.snapshot().search(unit(2)[None], 5, filter={"eq": ["n", 2]})[0][0].id == 3
    publish(filled)
    assert filled.snapshot().count == 10
    assert verify(filled) == []
    with Index.open(filled.directory) as other:
        assert other.snapshot().count == 10


def test_removing_and_restoring_again_and_again(filled, unit):
    with Index.open(filled.directory) as other:
        for turn in range(6):
            batch = filled.catalog.curation.decide([], removed=[2, 5]).batch
            assert other.snapshot().count == 8
            if turn % 2:
                publish(filled)
            filled.catalog.curation.undo(batch)
            assert other.snapshot().count == filled.snapshot().count == 10
            assert other.snapshot().search(unit(1)[None], 1)[0][0].id == 2
    with pytest.raises(ItemNotFound, match="perhaps it was undone"):
        filled.catalog.curation.undo(batch)


def test_one_batch_is_undone_and_the_others_stay(filled, sha):
    curation = filled.catalog.curation
    first = curation.decide([NewDecision("keep_all", (sha(0), sha(1)))], removed=[4])
    second = curation.decide([NewDecision("keep_all", (sha(2), sha(3)))], removed=[5])
    assert curation.latest() == second.batch
    curation.undo(first.batch)
    assert names(filled) == [("keep_all", (sha(2), sha(3)))]
    assert {one.id for one in filled.catalog.page()} == set(range(1, 11)) - {5}
    curation.undo(second.batch)
    assert curation.latest() is None


def test_a_key_that_is_taken_again_is_left_and_named(filled, item):
    done = filled.catalog.curation.decide([], removed=[1, 2])
    filled.catalog.add([item("0", 50)], model=filled.bundle.id)
    undone = filled.catalog.curation.undo(done.batch)
    assert (undone.restored, undone.left) == (1, (1,))
    assert filled.catalog.curation.latest() == done.batch


def test_files_of_removed_items_stay_until_they_are_freed(filled, sha, drawn):
    stored = sha(3)
    filled.blobs.put_thumbnail(stored, drawn(3))
    batch = filled.catalog.curation.decide([], removed=[4]).batch
    publish(filled)
    assert filled.blobs.has_thumbnail(stored)
    assert filled.catalog.curation.purge(before=1) == 0
    assert filled.catalog.curation.purge(before=2**40) == 1
    prune(filled)
    assert not filled.blobs.has_thumbnail(stored)
    assert filled.catalog.curation.undo(batch).left == (4,)
    assert filled.catalog.curation.removed("default") == [("3", stored)]
    assert verify(filled) == []


def test_nothing_comes_back_without_a_vector_of_the_live_model(filled, make_bundle, tmp_path, unit):
    batch = filled.catalog.curation.decide([], removed=[4]).batch
    other = filled.install(make_bundle(tmp_path / "other", "other").path)
    filled.catalog.add_vectors(other.id, {one.sha256: unit(99) for one in filled.catalog.page()})
    publish(filled, model=other.id)
    with pytest.raises(BundleMismatch, match="changed to another bundle"):
        filled.catalog.curation.undo(batch)
    assert filled.catalog.count() == 9


def test_a_decision_needs_two_pictures(filled, sha):
    with pytest.raises(InvalidArgument, match="about 1 pictures"):
        filled.catalog.curation.decide([NewDecision("keep_all", (sha(0),))], removed=[1])
    assert filled.catalog.count() == 10
