"""The undo file: all steps of an action, as lines of JSON. It is durable before the first step is made."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from copysight.duplicates.actions.steps import Step
from copysight.errors import InvalidArgument
from copysight.system import durable

HEAD = {"copysight": "dedupe", "version": 1}


def write(path: Path, steps: Sequence[Step]) -> None:
    """Write the steps to a new file. Raises ``InvalidArgument`` if there is one, and ``NotWritable``."""
    if path.exists():
        raise InvalidArgument(f"{path} exists, and may be needed to undo something; give another name")
    # JSON escapes the halves of characters that stand for bytes of names that are not UTF-8.
    lines = [json.dumps(HEAD), *(json.dumps(asdict(step)) for step in steps)]
    with durable.writable(path):
        durable.write_file(path, ("\n".join(lines) + "\n").encode())


def read(path: Path) -> list[Step]:
    """The steps of an undo file. Raises ``InvalidArgument`` if it is none."""
    try:
        head, *rows = [json.loads(line) for line in path.read_text().splitlines()]
        steps = [Step(**row) for row in rows] if head == HEAD else None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InvalidArgument(f"{path} is no undo file of `copysight dedupe` ({error})") from error
    if steps is None:
        raise InvalidArgument(f"{path} is no undo file of `copysight dedupe`")
    return steps
