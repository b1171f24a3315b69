"""The review queue: what opens a review, who may do it, what closes it, and what a poisoned item costs."""

import pytest

from copysight.catalog.audit.audit import AuditFilter
from copysight.catalog.moderation.lists import ListPolicy
from copysight.catalog.moderation.matches import NewMatch
from copysight.catalog.moderation.moderation import Moderation, NewMatchDecision
from copysight.catalog.moderation.review_queue import ReviewQueue
from copysight.catalog.moderation.reviews import ReviewFilter
from copysight.catalog.outbox.webhooks import WebhookTarget
from copysight.errors import InvalidArgument, ItemNotFound, ReviewConflict
from copysight.index import Index

ALL = ReviewFilter(state=None)


@pytest.fixture
def clock():
    return [1_000_000.0]


@pytest.fixture
def index(tmp_path, graphless, item):
    """Ten items of the list `watch`, whose policy is `review`."""
    with Index.create(tmp_path / "index", graphless.path) as made:
        made.catalog.add([item(f"{i}", i, collection="watch") for i in range(10)], model=made.bundle.id)
        made.catalog.moderation.put_list(ListPolicy("watch", "review", flood=20, denials=3))
        made.catalog.outbox.create(WebhookTarget("https://desk.example"))
        yield made


@pytest.fixture
def moderation(index, clock):
    return Moderation(index.catalog._database, lambda: clock[0])


@pytest.fixture
def queue(index, clock):
    return ReviewQueue(index.catalog._database, lambda: clock[0])


def found(sha, item, query, probability=0.95, policy="review", **more):
    about = {"stated": probability, "probability": probability, "verdict": "copy", "action": policy}
    return NewMatch("watch", item, more.pop("sha256", sha(item - 1)), sha(query), policy=policy, **about, **more)


def test_the_best_match_of_a_query_is_reviewed_and_a_denial_brings_the_next(moderation, queue, sha):
    numbers = moderation.record([found(sha, 1, 100, 0.91), found(sha, 2, 100, 0.97), found(sha, 3, 100, 0.5)], "app")
    [review] = queue.page(ALL)
    assert (review.item, review.match, review.list, review.state) == (2, numbers[1], "watch", "open")
    moderation.record([found(sha, 1, 100, 0.91), found(sha, 2, 100, 0.97)])  # the same again
    assert queue.count(ALL) == 1
    made = queue.decide(review.id, "deny", "a meme", "ann")
    assert (made.decision, made.item, made.reason) == ("deny", 2, "a meme")
    closed, following = queue.page(ALL)
    assert (closed.state, closed.outcome, closed.decision, following.item) == ("closed", "deny", made.id, 1)
    queue.decide(following.id, "confirm", "", "ann")
    assert queue.page(ReviewFilter()) == []
    moderation.record([found(sha, 4, 100)])  # one match is confirmed: nobody has to look again
    assert queue.count(ReviewFilter()) == 0


def test_only_matches_that_need_people_open_reviews(moderation, queue, sha):
    moderation.record([found(sha, 1, 100, policy="block"), found(sha, 2, 101, policy="allow")])
    moderation.record([found(sha, 3, 102), found(sha, 4, 102, policy="allow", sha256=sha(102))])  # allowed by its bytes
    moderation.decide(NewMatchDecision("confirm", query=sha(103), item=5))
    moderation.record([found(sha, 5, 103)])  # decided before
    moderation.change(6, {"quarantined": True})
    moderation.record([found(sha, 6, 104)])
    assert queue.page(ALL) == []


def test_a_claim_keeps_others_away_until_it_times_out(moderation, queue, clock, sha):
    moderation.record([found(sha, 1, 100), found(sha, 2, 101)])
    first = queue.claim_next(ReviewFilter(), "ann", 60.0)
    second = queue.claim_next(ReviewFilter(), "bob", 60.0)
    assert (first.item, second.item, queue.claim_next(ReviewFilter(), "cyd")) == (1, 2, None)
    for refused in (
        lambda: queue.claim(first.id, "bob"),
        lambda: queue.release(first.id, "bob"),
        lambda: queue.decide(first.id, "deny", "", "bob"),
    ):
        with pytest.raises(ReviewConflict, match="claimed by 'ann'"):
            refused()
    assert [one.id for one in queue.page(ReviewFilter(claimed_by="ann"))] == [first.id]
    assert queue.count(ReviewFilter(claim="free")) == 0
    clock[0] += 60
    assert queue.count(ReviewFilter(claim="free")) == 2
    assert queue.claim_next(ReviewFilter(), "bob").id == first.id
    queue.release(first.id, "bob")
    queue.decide(first.id, "confirm", "", "ann")
    with pytest.raises(ReviewConflict, match="closed"):
        queue.decide(first.id, "deny", "", "ann")
    with pytest.raises(ItemNotFound):
        queue.claim(99, "ann")


def test_an_assigned_review_is_nobody_elses_to_take_next(moderation, queue, sha):
    moderation.record([found(sha, 1, 100), found(sha, 2, 101)])
    assert queue.assign(1, "bob", "lead").assignee == "bob"
    assert queue.claim_next(ReviewFilter(), "ann").id == 2
    assert [one.id for one in queue.page(ReviewFilter(assignee="bob"))] == [1]
    assert [one.id for one in queue.page(ReviewFilter(assignee=""))] == [2]
    assert queue.claim_next(ReviewFilter(), "bob").id == 1
    with pytest.raises(InvalidArgument, match="assignee"):
        queue.assign(1, "", "lead")


def test_what_is_settled_elsewhere_leaves_the_queue(index, moderation, queue, clock, sha):
    moderation.record([found(sha, 1, 100), found(sha, 2, 101), found(sha, 3, 102)])
    moderation.decide(NewMatchDecision("deny", query=sha(100), item=1), "lead")
    index.delete([2])
    moderation.change(3, {"expires": clock[0] + 30})
    assert queue.tick() == 1
    assert [(one.item, one.outcome) for one in queue.page(ReviewFilter(state="closed"))] == [
        (1, "deny"),
        (2, "withdrawn"),
    ]
    clock[0] += 30
    assert (queue.tick(), queue.tick()) == (1, 0)  # an expiry is announced once
    moderation.change(3, {"expires": clock[0] - 1})
    assert (queue.tick(), queue.tick()) == (1, 0)
    types = [one.type for one in index.catalog.outbox.deliveries(1)]
    assert types.count("review.opened") == 3
    assert types[6:] == ["decision.created", "review.closed", "review.closed", "item.expired", "item.expired"]
    actions = [one["action"] for one in index.catalog.audit.page(AuditFilter(action="review"))]
    assert actions == ["review.close"]


def test_a_withdrawn_verdict_opens_its_review_again(index, moderation, queue, sha):
    moderation.record([found(sha, 1, 100, 0.97), found(sha, 2, 100, 0.91)])
    [review] = queue.page(ALL)
    queue.claim(review.id, "ann")
    made = queue.decide(review.id, "deny", "a meme", "ann")
    assert [(one.item, one.state) for one in queue.page(ALL)] == [(1, "closed"), (2, "open")]
    moderation.withdraw(made.id, "ann")
    assert queue.get(review.id) == review  # as it was opened: nobody has claimed it
    assert [(one.item, one.outcome) for one in queue.page(ALL)] == [(1, None), (2, "withdrawn")]
    queue.decide(review.id, "deny", "", "bob")
    assert [one.item for one in queue.page(ReviewFilter())] == [2]  # the next match comes again
    actions = [one["action"] for one in index.catalog.audit.page(AuditFilter())]
    assert [one for one in actions if one.startswith(("decision", "review"))] == [
        "review.claim", "decision.deny", "review.close", "decision.withdraw", "review.reopen",
        "decision.deny", "review.close",
    ]  # fmt: skip
    types = [one.type for one in index.catalog.outbox.deliveries(1)]
    assert types[3:] == [
        "decision.created", "review.closed", "review.opened",
        "decision.withdrawn", "review.closed", "review.opened",
        "decision.created", "review.closed", "review.opened",
    ]  # fmt: skip


def test_an_earlier_decision_keeps_the_review_of_a_withdrawn_one_closed(moderation, queue, sha):
    moderation.record([found(sha, 1, 100)])
    first = queue.decide(1, "confirm", "", "ann")
    second = moderation.decide(NewMatchDecision("deny", "a meme", query=sha(100), item=1))
    moderation.withdraw(first.id)
    review = queue.get(1)
    assert (review.state, review.outcome, review.decision, review.reason) == ("closed", "deny", second.id, "a meme")
    moderation.withdraw(second.id)
    assert queue.get(1).state == "open"


@pytest.mark.parametrize("batch", [1, 7])
def test_a_poisoned_item_costs_at_most_20_reviews(index, moderation, queue, clock, sha, batch):
    """Item 1 matches every query of a stream: 1,000 here, in an hour and a half."""
    for start in range(0, 1000, batch):
        moderation.record([found(sha, 1, 1000 + number) for number in range(start, min(1000, start + batch))])
        clock[0] += 5.4 * batch
    assert queue.count(ALL) <= 20
    assert index.catalog.moderation.entries([1])[1].reason == "more than 20 pictures matched within an hour"
    types = [one.type for one in index.catalog.outbox.deliveries(1, limit=10_000)]
    assert types.count("item.quarantined") == 1
    assert types.count("match.created") <= 20 + batch
    assert types.count("review.opened") == queue.count(ALL)
