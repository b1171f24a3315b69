"""The outbox: which webhook hears of what, in which order, what is tried again, and replay."""

import json
from dataclasses import replace

import pytest

from copysight.catalog.moderation.moderation import Moderation
from copysight.catalog.outbox.deliveries import Attempt, Replay
from copysight.catalog.outbox.outbox import Outbox
from copysight.catalog.outbox.webhooks import WebhookTarget, new_secret, signature
from copysight.errors import InvalidArgument, ItemNotFound
from copysight.index import Index

TARGET = WebhookTarget("https://desk.example/hooks")


@pytest.fixture
def clock():
    return [1_000_000.0]


@pytest.fixture
def index(tmp_path, graphless, item):
    with Index.create(tmp_path / "index", graphless.path) as made:
        made.catalog.add([item(f"{i}", i) for i in range(3)], model=made.bundle.id)
        yield made


@pytest.fixture
def outbox(index, clock):
    return Outbox(index.catalog._database, lambda: clock[0])


@pytest.fixture
def moderation(index, clock):
    return Moderation(index.catalog._database, lambda: clock[0])


def toggle(moderation, item, times=1):
    for turn in range(times):
        moderation.change(item, {"quarantined": turn % 2 == 0}, "desk")


def bodies(found):
    return [(json.loads(one.body)["type"], json.loads(one.body)["data"]["item"]) for one in found]


def settled(outbox, found, state="delivered", due=0.0):
    outbox.record([Attempt(one.delivery, state, due, 200, None) for one in found])


def test_events_of_one_item_wait_for_each_other_and_those_of_others_do_not(outbox, moderation):
    hook = outbox.create(TARGET)
    toggle(moderation, 1, 3)
    toggle(moderation, 2)
    first = outbox.due(hook.id, 10)
    assert bodies(first) == [("item.quarantined", 1), ("item.quarantined", 2)]
    assert outbox.waiting() == [hook.id]
    settled(outbox, first[:1], "pending", due=1_000_060.0)  # failed: the item waits, others do not
    assert bodies(outbox.due(hook.id, 10)) == [("item.quarantined", 2)]
    settled(outbox, first[1:])
    assert outbox.due(hook.id, 10) == []
    assert outbox.backlog().pending == 3


def test_failed_events_come_again_with_the_same_name_and_then_the_next(outbox, moderation, clock):
    hook = outbox.create(TARGET)
    toggle(moderation, 1, 2)
    [one] = outbox.due(hook.id, 10)
    settled(outbox, [one], "pending", due=clock[0] + 5)
    clock[0] += 5
    [again] = outbox.due(hook.id, 10)
    assert again == replace(one, attempts=1)
    settled(outbox, [again], "failed")
    assert bodies(outbox.due(hook.id, 10)) == [("item.released", 1)]
    assert [(one.state, one.attempts) for one in outbox.deliveries(hook.id)] == [("failed", 2), ("pending", 0)]
    assert outbox.replay(hook.id, Replay(failed=True)) == 1
    assert bodies(outbox.due(hook.id, 10)) == [("item.quarantined", 1)]


def test_a_webhook_hears_of_its_types_while_it_is_enabled(outbox, moderation):
    every = outbox.create(TARGET)
    some = outbox.create(WebhookTarget("http://desk.example/", ("item.released",), note="releases"))
    toggle(moderation, 1, 2)
    outbox.change(every.id, {"enabled": False})
    toggle(moderation, 2, 2)
    assert [one.type for one in outbox.deliveries(every.id)] == ["item.quarantined", "item.released"]
    assert [(one.type, one.item) for one in outbox.deliveries(some.id)] == [("item.released", 1), ("item.released", 2)]
    assert outbox.waiting() == [some.id]
    # What it did not hear of can be replayed, once; also to a webhook that was made later.
    assert outbox.replay(every.id, Replay(types=("item.released",))) == 1
    late = outbox.create(TARGET)
    assert outbox.replay(late.id, Replay(after=1)) == 3
    assert [one.item for one in outbox.deliveries(late.id, "pending")] == [1, 2, 2]
    outbox.delete(late.id)
    with pytest.raises(ItemNotFound, match="no webhook"):
        outbox.deliveries(late.id)


def test_an_event_is_written_with_its_cause_or_not_at_all(outbox, moderation):
    hook = outbox.create(TARGET)
    with pytest.raises(ItemNotFound):
        moderation.change(99, {"quarantined": True})
    toggle(moderation, 1)
    moderation.change(1, {"quarantined": True})  # it is there already
    moderation.change(1, {"note": "seen"})
    assert [one.type for one in outbox.deliveries(hook.id)] == ["item.quarantined"]
    assert outbox.test(hook.id) == 2
    assert outbox.prune(2_000_000.0) == 0  # both are pending
    settled(outbox, outbox.due(hook.id, 10))
    assert outbox.prune(2_000_000.0) == 2


def test_signatures_are_those_of_standard_webhooks():
    """The example of the specification's reference libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}') == expected
    assert new_secret() != new_secret()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "ftp://desk.example"}, "http"),
        ({"url": "https://u:p@desk.example"}, "password"),
        ({"url": "https://"}, "host"),
        ({"url": "https://[half"}, "host"),
        ({"types": ("match",)}, "match.created"),
    ],
)
def test_targets_are_checked(given, words):
    with pytest.raises(InvalidArgument, match=words):
        replace(TARGET, **given)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_%%", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_weak_secrets_are_refused(outbox, secret):
    with pytest.raises(InvalidArgument, match="secret"):
        outbox.create(TARGET, secret)
