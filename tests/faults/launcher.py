"""A process that runs `copysight` commands in forks that can kill themselves. It is controlled by JSON lines.

Because of the fork, the libraries are loaded only once. Nothing is opened, and no thread is started, before the fork.
Commands on stdin:

    {"run": ["index", "rebuild", …], "environment": {…}, "at": 17}      sends {"ended": status} when it has ended
    {"arm": {"at": 17}}, {"arm": {"after": 0.01}}, {"report": true}     for the running command
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


def send(answer: dict[str, Any]) -> None:
    os.write(OUT, (json.dumps(answer) + "\n").encode())


def receive() -> dict[str, Any] | None:
    """The next command, or None at the end. Read byte by byte, because the fork reads the rest of the input."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return None
        line += byte
    try:
        return dict(json.loads(line))
    except ValueError:  # a command that was killed had already read the beginning of this line
        return {}


def listen(killer: Killer) -> None:
    """Handle the test's messages to the running command. The command ends when the test does."""
    sys.setprofile(None)
    while (command := receive()) is not None:
        if "arm" in command:
            killer.arm(**command["arm"])
        send(killer.report())
    os.kill(os.getpid(), signal.SIGKILL)


def run(command: dict[str, Any]) -> None:
    """Run one command like the program `copysight`."""
    os.environ.update(command.get("environment", {}))
    killer = Killer(send)
    threading.Thread(target=listen, args=(killer,), daemon=True).start()
    killer.arm(command.get("at", 0), command.get("after"))
    try:
        status = copysight.main(command["run"], standalone_mode=False)  # an exit status, or None
        send({"done": not status, **killer.report()})
    except (CopysightError, click.exceptions.Exit, click.ClickException) as error:
        send({"error": repr(error)})


def main() -> None:
    os.dup2(2, 1)  # the output of commands goes to the log
    while (command := receive()) is not None:
        if "run" not in command:  # sent to a command that was killed in the meantime
            continue
        child = os.fork()
        if child == 0:
            run(command)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        send({"ended": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    main()
