"""Start a command of Copysight as a worker process beside the server."""

import subprocess
import sys

NICE = "10"


def spawn(*words: str) -> "subprocess.Popen[bytes]":
    """Start ``copysight`` with these words.

    A separate niced process, so that searches keep their processor time. It stays in the server's session: Linux
    (autogroup) shares processors evenly between sessions and applies nice values only within one.
    """
    command = ["nice", "-n", NICE, sys.executable, "-m", "cli", *words]
    return subprocess.Popen(  # noqa: S603 - our own command; its words are checked by the caller
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, process_group=0
    )
