"""The calls of moderators and administrators: reviews, webhooks, audit, keys. No network access here."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import orjson

from copysight.client import answers
from copysight.client.answers import AuditPage, Deliveries, KeyState, Review, Reviews, Webhook
from copysight.client.call import Call, flag, known, nothing, of_fields, of_json
from copysight.system import storable


def reviews(
    state: str = "open",
    list: str | None = None,  # noqa: A002 - the API's word
    assignee: str | None = None,
    mine: bool = False,
    after: int = 0,
    limit: int = 100,
) -> Call[Reviews]:
    """``GET /reviews``."""
    params = known(state=state, list=list, assignee=assignee, after=after, limit=limit) | flag("mine", mine)
    return Call("GET", "/reviews", of_json(answers.reviews), params)


def review(number: int) -> Call[Review]:
    """``GET /reviews/{number}``."""
    return Call("GET", f"/reviews/{number}", of_json(answers.review))


def next_review(list: str | None = None, seconds: float = 600.0) -> Call[Review | None]:  # noqa: A002
    """``POST /reviews/claim``."""
    body = known(list=list, seconds=seconds)
    return Call("POST", "/reviews/claim", _review_or_none, content=orjson.dumps(body), retry_safe=False)


def claim_review(number: int, seconds: float = 600.0) -> Call[Review]:
    """``POST /reviews/{number}/claim``."""
    content = orjson.dumps({"seconds": seconds})
    return Call("POST", f"/reviews/{number}/claim", of_json(answers.review), content=content, retry_safe=False)


def release_review(number: int) -> Call[Review]:
    """``POST /reviews/{number}/release``."""
    content = orjson.dumps({})
    return Call("POST", f"/reviews/{number}/release", of_json(answers.review), content=content, retry_safe=False)


def assign_review(number: int, assignee: str | None) -> Call[Review]:
    """``PATCH /reviews/{number}``."""
    return Call("PATCH", f"/reviews/{number}", of_json(answers.review), content=orjson.dumps({"assignee": assignee}))


def judge_review(number: int, verdict: str, reason: str = "") -> Call[Review]:
    """``POST /reviews/{number}/verdict``."""
    body = {"verdict": verdict, "reason": reason}
    storable.check(body, "verdict")
    content = orjson.dumps(body)
    return Call("POST", f"/reviews/{number}/verdict", of_json(answers.review), content=content, retry_safe=False)


def webhooks() -> Call[list[Webhook]]:
    """``GET /webhooks``."""
    return Call("GET", "/webhooks", of_json(answers.webhooks))


def webhook(number: int) -> Call[Webhook]:
    """``GET /webhooks/{number}``."""
    return Call("GET", f"/webhooks/{number}", of_fields(Webhook))


def create_webhook(url: str, types: Sequence[str] = (), note: str = "", secret: str | None = None) -> Call[Webhook]:
    """``POST /webhooks``."""
    body = known(url=url, types=[*types], note=note, secret=secret)
    storable.check(body, "webhook")
    return Call("POST", "/webhooks", of_fields(Webhook), content=orjson.dumps(body), retry_safe=False)


def change_webhook(number: int, changes: Mapping[str, Any]) -> Call[Webhook]:
    """``PATCH /webhooks/{number}``."""
    storable.check(dict(changes), "changes")
    return Call("PATCH", f"/webhooks/{number}", of_fields(Webhook), content=orjson.dumps(dict(changes)))


def delete_webhook(number: int) -> Call[None]:
    """``DELETE /webhooks/{number}``."""
    return Call("DELETE", f"/webhooks/{number}", nothing, retry_safe=False)


def test_webhook(number: int) -> Call[int]:
    """``POST /webhooks/{number}/test``."""
    content, read = orjson.dumps({}), of_json(lambda given: int(given["event"]))
    return Call("POST", f"/webhooks/{number}/test", read, content=content, retry_safe=False)


def replay_webhook(
    number: int, after: int = 0, since: float = 0.0, types: Sequence[str] = (), failed: bool = False
) -> Call[int]:
    """``POST /webhooks/{number}/replay``."""
    body = {"after": after, "since": since, "types": [*types], "failed": failed}
    content, read = orjson.dumps(body), of_json(lambda given: int(given["events"]))
    return Call("POST", f"/webhooks/{number}/replay", read, content=content, retry_safe=False)


def deliveries(number: int, state: str | None = None, after: int = 0, limit: int = 100) -> Call[Deliveries]:
    """``GET /webhooks/{number}/deliveries``."""
    params = known(state=state, after=after, limit=limit)
    return Call("GET", f"/webhooks/{number}/deliveries", of_json(answers.deliveries), params)


def audit(
    action: str | None = None,
    by: str | None = None,
    item: int | None = None,
    since: float | None = None,
    until: float | None = None,
    order: str = "newest",
    after: int = 0,
    limit: int = 100,
) -> Call[AuditPage]:
    """``GET /audit``."""
    params = known(action=action, by=by, item=item, since=since, until=until, order=order, after=after, limit=limit)
    return Call("GET", "/audit", of_json(answers.audit), params)


def keys() -> Call[list[KeyState]]:
    """``GET /keys``."""
    return Call("GET", "/keys", of_json(answers.keys))


def _review_or_none(response: httpx.Response) -> Review | None:
    return of_json(answers.review)(response) if response.content else None
