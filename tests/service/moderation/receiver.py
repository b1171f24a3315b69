"""A real webhook receiver that fails half of the time: before or after it has noted an event, or not in time."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from copysight.client import BadSignature, WebhookEvent

PATIENCE = 8
"""An event is accepted at each eighth attempt at the latest."""


class Receiver(ThreadingHTTPServer):
    """``accepted``: the events that it has answered with 2xx, in their order; ``attempts``: by the event's id."""

    daemon_threads = True

    def __init__(self, failing: float, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.failing, self.secret = failing, ""
        self.rng = np.random.default_rng(seed)
        self.accepted: list[WebhookEvent] = []
        self.noted: list[WebhookEvent] = []
        self.attempts: dict[str, int] = defaultdict(int)
        self.refused: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Note an event, or fail. Returns the status."""
        with self.lock:
            chance = float(self.rng.random())
            try:
                event = WebhookEvent.verified(self.secret, headers, body)
            except BadSignature as error:
                self.refused.append(str(error))
                return 400
            self.attempts[event.id] += 1
            if self.attempts[event.id] % PATIENCE == 0:  # or one of 1,000 events would wait for minutes
                chance = 1.0
            if chance < self.failing / 2:
                return 503
            self.noted.append(event)
            if chance < self.failing:  # it has the event, and its answer is lost
                return 500
            self.accepted.append(event)
            return 204

    def unique(self) -> list[WebhookEvent]:
        """The events without repetitions, in the order in which they came first."""
        return list({one.id: one for one in self.noted}.values())


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the sender was killed in the middle
            return
        self.send_response(self.server.take(dict(self.headers.items()), body))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def receiving(failing: float = 0.5, seed: int = 0) -> Iterator[Receiver]:
    """A receiver that listens on this machine."""
    receiver = Receiver(failing, seed)
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.shutdown()
        receiver.server_close()
