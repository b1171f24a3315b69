"""Deliver events to webhooks: signed, at least once, in order for each item, again after a growing time if it fails."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx

from copysight.catalog.outbox.deliveries import Attempt, Due
from copysight.catalog.outbox.outbox import Outbox
from copysight.catalog.outbox.webhooks import signature
from copysight.errors import CopysightError
from service.http.problems import FetchFailed
from service.intake import checked_address
from service.intake.checked_address import Network, Resolve
from service.runtime import threads
from service.runtime.metrics import Metrics

log = logging.getLogger("copysight.webhooks")
SECONDS, AT_ONCE = 10.0, 16
"""Time limit of an attempt, and the attempts at one webhook at the same time, about different items."""
MOST_ATTEMPTS, LONGEST_WAIT = 40, 3600.0
"""After this many attempts, 30 hours with the default first wait, an event is given up; it can be replayed."""
LONGEST_ERROR = 200


@dataclass(frozen=True)
class Answer:
    """Status of a webhook's answer, or the ``error`` why there is none."""

    status: int | None
    error: str | None


class WebhookSender:
    """Sends what is due, to each webhook independently of the others. ``private``: networks that webhooks may be in."""

    def __init__(
        self,
        outbox: Outbox,
        pool: ThreadPoolExecutor,
        metrics: Metrics,
        private: tuple[Network, ...],
        first_wait: float,
        resolve: Resolve = checked_address.resolved,
    ) -> None:
        self._outbox, self._pool, self._metrics = outbox, pool, metrics
        self._private, self._first_wait, self._resolve = private, first_wait, resolve
        self._busy: dict[int, asyncio.Task[None]] = {}
        # As for fetching: no proxy from the environment, no redirects, no connection that skips the address check.
        self._http = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=SECONDS,
            headers={"User-Agent": "copysight", "Content-Type": "application/json"},
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def start_due(self) -> None:
        """Begin to send to each webhook that has something due and is not served already."""
        for number in await threads.run(self._pool, self._outbox.waiting):
            if number not in self._busy:
                task = self._busy[number] = asyncio.create_task(self._send_all(number))
                task.add_done_callback(partial(self._done, number))

    async def check_target(self, url: str) -> None:
        """Raise ``UrlRefused`` if a webhook at this URL could never be delivered to. An unknown host may come later."""
        try:
            await checked_address.check(checked_address.parsed(url), self._private, self._resolve)
        except FetchFailed:
            log.info("the host of a new webhook cannot be resolved now")

    async def close(self) -> None:
        """Stop sending. What was not recorded is sent again by the next server."""
        for task in list(self._busy.values()):
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
        await self._http.aclose()

    def _done(self, number: int, _: asyncio.Task[None]) -> None:
        self._busy.pop(number, None)

    async def _send_all(self, number: int) -> None:
        try:
            while due := await threads.run(self._pool, self._outbox.due, number, AT_ONCE):
                answers = await asyncio.gather(*(self._send(one) for one in due))
                attempts = [self._attempt(one, answer) for one, answer in zip(due, answers, strict=True)]
                gone = any(answer.status == httpx.codes.GONE for answer in answers)
                disabled = {number: "it answered 410 Gone"} if gone else {}
                await threads.run(self._pool, self._outbox.record, attempts, disabled)
        except CopysightError as error:  # the index cannot be written now: all is sent again
            log.warning("deliveries to a webhook were not recorded: %s", error.message)
        except Exception:
            log.exception("a webhook could not be served")

    async def _send(self, one: Due) -> Answer:
        now = int(time.time())
        headers = {"webhook-id": one.name, "webhook-timestamp": str(now)}
        headers["webhook-signature"] = signature(one.secret, one.name, now, one.body)
        try:
            async with asyncio.timeout(SECONDS):
                target = await checked_address.check(
                    checked_address.parsed(one.url), self._private, self._resolve, "; see COPYSIGHT_WEBHOOK_NETWORKS"
                )
                request = self._http.build_request(
                    "POST", target.url, content=one.body.encode(), headers=headers | {"Host": target.host},
                    extensions=target.extensions,
                )  # fmt: skip
                answer = await self._http.send(request, stream=True)  # the body of the answer is not read
                await answer.aclose()
        except TimeoutError:
            return Answer(None, f"no answer within {SECONDS:g} s")
        except CopysightError as error:
            return Answer(None, error.message[:LONGEST_ERROR])
        except (httpx.HTTPError, OSError) as error:
            return Answer(None, f"{type(error).__name__}: {error}"[:LONGEST_ERROR])
        return Answer(answer.status_code, None if answer.is_success else f"status {answer.status_code}")

    def _attempt(self, one: Due, answer: Answer) -> Attempt:
        """What follows from an answer."""
        tries, now = one.attempts + 1, time.time()
        if answer.error is None:
            outcome, attempt = "delivered", Attempt(one.delivery, "delivered", now, answer.status, None)
        elif tries >= MOST_ATTEMPTS:
            outcome, attempt = "failed", Attempt(one.delivery, "failed", now, answer.status, answer.error)
        else:
            due = now + wait(self._first_wait, tries)
            outcome, attempt = "retry", Attempt(one.delivery, "pending", due, answer.status, answer.error)
        self._metrics.webhooks.labels(outcome).inc()
        return attempt


def wait(first: float, tries: int) -> float:
    """Seconds until the next attempt after ``tries`` failed ones: doubled each time, up to an hour."""
    return float(min(first * 2.0 ** min(tries - 1, 30), LONGEST_WAIT))
