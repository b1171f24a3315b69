"""A process that runs `copysight` commands, each in a fork of its own that can kill itself; it speaks JSON lines.

Forking loads the libraries only once; nothing is opened, and no thread started, before the fork. Commands on stdin:

    {"run": ["index", "rebuild", …], "environment": {…}, "at": 17}      answered by {"ended": status} when it has ended
    {"arm": {"at": 17}}, {"arm": {"after": 0.01}}, {"report": true}     to the command that runs now
"""

import json
import os
import signal
import sys
import threading
from typing import Any

import click

import index_builder.cli  # noqa: F401 - loaded before the fork
import service.cli  # noqa: F401 - like this one
from cli.main import main as copysight
from copysight.errors import CopysightError
from tests.faults.killer import Killer

OUT = os.dup(1)


def say(answer: dict[str, Any]) -> None:
    os.write(OUT, (json.dumps(answer) + "\n").encode())


def heard() -> dict[str, Any] | None:
    """The next command; read byte by byte, because the fork reads on from here. None at the end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return None
        line += byte
    try:
        return dict(json.loads(line))
    except ValueError:  # a command that died has taken its beginning along
        return {}


def listen(killer: Killer) -> None:
    """What the test says to the running command, which ends with the test."""
    sys.setprofile(None)
    while (command := heard()) is not None:
        if "arm" in command:
            killer.arm(**command["arm"])
        say(killer.report())
    os.kill(os.getpid(), signal.SIGKILL)


def run(command: dict[str, Any]) -> None:
    """Run one command as `copysight` does."""
    os.environ.update(command.get("environment", {}))
    killer = Killer(say)
    threading.Thread(target=listen, args=(killer,), daemon=True).start()
    killer.arm(command.get("at", 0), command.get("after"))
    try:
        status = copysight.main(command["run"], standalone_mode=False)  # an exit status, or nothing
        say({"done": not status, **killer.report()})
    except (CopysightError, click.exceptions.Exit, click.ClickException) as error:
        say({"error": repr(error)})


def main() -> None:
    os.dup2(2, 1)  # what commands print goes to the log
    while (command := heard()) is not None:
        if "run" not in command:  # meant for a command that has died meanwhile
            continue
        child = os.fork()
        if child == 0:
            run(command)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say({"ended": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    main()
