"""Raise the limit of open files, and say so where it stays too low for a server."""

import errno
import logging
import os
import resource
import time

log = logging.getLogger("copysight.settings")
ENOUGH = 4096
"""Files and connections that a server may need: one for each client, three for each connection to the catalog."""
LEAST = 256
"""Limit below which the service warns: the process itself opens some dozens."""
ADVICE = f"raise it (`ulimit -n {ENOUGH}`, LimitNOFILE of systemd, `--ulimit nofile` of a container)"
QUIET_SECONDS = 60.0
"""Time between two lines about the same fault."""


def raise_limit() -> int:
    """Raise the soft limit up to ``ENOUGH``, as far as the hard limit allows. Returns the limit that holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < ENOUGH:
        soft = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != resource.RLIM_INFINITY and soft < LEAST:
        log.warning("the limit of open files is %d, too low for more than a few clients at a time; %s", soft, ADVICE)
    return soft


def limit() -> int:
    """The limit of open files of this process."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def exhausted() -> bool:
    """Whether no further file can be opened at this moment; takes some microseconds."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in {errno.EMFILE, errno.ENFILE}
    return False


class Watch:
    """Log when no further file can be opened: new connections are then closed by the event loop without a word."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def check(self) -> None:
        """Log at most one line in ``QUIET_SECONDS``."""
        if time.monotonic() >= self._silent_until and exhausted():
            self._silent_until = time.monotonic() + QUIET_SECONDS
            log.error("all %d files that may be open are in use; new connections are closed; %s", limit(), ADVICE)
