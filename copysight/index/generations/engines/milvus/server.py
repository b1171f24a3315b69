"""The connection to a Milvus server, and its errors as ours. An outage costs each call little, and ends by itself."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from copysight.errors import VectorsUnavailable
from copysight.index.generations.engines.milvus.address import Address

log = logging.getLogger("copysight.vectors")
ERRORS: tuple[type[Exception], ...] = (MilvusException, grpc.RpcError)
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
"""How long a call may take, with all that pymilvus tries again."""
SEARCH_SECONDS = 5.0
"""The same for a search, on whose answer somebody waits."""
PAUSE_SECONDS = 1.0
"""After a call that got no answer, one call in so many seconds asks the server. The others fail at once, so that an
outage does not fill the threads."""
QUIET_SECONDS = 10.0
"""Time between two lines of the log about an outage, in which many calls fail a second."""
RECONNECT_MILLISECONDS = 2000
"""The longest pause of gRPC before it connects again; its own default is two minutes."""
NOT_FOUND = {100, 1600}
"""Codes for a collection, and for an alias that is not there (tried: Milvus 2.3.5, milvus-lite 3.2)."""
NOT_LOADED = {101, 103}


class CollectionMissing(VectorsUnavailable):
    """There is no such collection or alias."""


class NotLoaded(VectorsUnavailable):
    """The collection is there and not in memory, as after a restart of the server."""


class Server:
    """One Milvus server, which need not answer yet. It connects with the first call, and again after an outage."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._client: MilvusClient | None = None
        self._lock = threading.Lock()
        self._is_away = False
        self._next_try = self._logged = -QUIET_SECONDS

    @contextmanager
    def asked(self) -> Iterator[MilvusClient]:
        """The client for some calls. Raises ``VectorsUnavailable``, `CollectionMissing` or `NotLoaded`."""
        if self._is_away and not self._may_try():
            raise _unavailable()
        try:
            yield self._connected()
        except ERRORS as error:
            raise self._explained(error) from error
        self._is_away = False

    def close(self) -> None:
        """Close the connection. The next call makes another one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _may_try(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._next_try:
                return False
            self._next_try = now + SEARCH_SECONDS  # until this call has failed or succeeded
            return True

    def _connected(self) -> MilvusClient:
        with self._lock:
            if self._client is None:
                # Its own lines repeat each error with a trace; ours say it once.
                logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
                self._client = MilvusClient(
                    self.address.url,
                    token=self.address.token,
                    db_name=self.address.database,
                    timeout=CONNECT_SECONDS,
                    dedicated=True,
                    grpc_options={
                        "grpc.max_reconnect_backoff_ms": RECONNECT_MILLISECONDS,
                        "grpc.initial_reconnect_backoff_ms": 200,
                    },
                )
            return self._client

    def _explained(self, error: Exception) -> VectorsUnavailable:
        code = getattr(error, "code", None)
        if code in NOT_FOUND | NOT_LOADED:
            self._is_away = False  # it is an answer
        if code in NOT_FOUND:
            return CollectionMissing(f"Milvus has no such collection ({_first_line(error)})")
        if code in NOT_LOADED:
            return NotLoaded("Milvus is loading the vectors of the index; try again in a moment")
        now = time.monotonic()
        self._is_away, self._next_try = True, now + PAUSE_SECONDS
        if now - self._logged > QUIET_SECONDS:
            self._logged = now
            log.warning("Milvus does not answer: %s", _first_line(error))
        return _unavailable()


def _unavailable() -> VectorsUnavailable:
    return VectorsUnavailable("the Milvus server of the vectors does not answer now; try again in a moment")


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "message", "") or error).strip().splitlines() or [type(error).__name__])[0][:300]
