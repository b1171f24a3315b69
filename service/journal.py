"""One line of JSON a request, with an id that the client hears too. No key and no picture is ever in it."""

import json
import logging
import sys
from contextlib import suppress
from datetime import datetime
from typing import Any

log = logging.getLogger("copysight.requests")


class JsonFormatter(logging.Formatter):
    """Log records as JSON objects."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields = dict(getattr(record, "fields", {}))
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return line(record.created, record.levelname.lower(), record.getMessage(), fields)


def line(when: float, level: str, message: str, fields: dict[str, Any]) -> str:
    """A line of the log; ``when`` in seconds since the epoch, shown in local time."""
    shown = datetime.fromtimestamp(when).isoformat(" ", "milliseconds").replace(".", ",")
    return json.dumps({"time": shown, "level": level, "message": message} | fields)


def note(when: float, fields: dict[str, Any]) -> None:
    """The line of one request, straight to where ``logging`` writes the others; its records take .1 ms."""
    with suppress(OSError):  # whoever read the log has gone; callers still have their answers
        sys.stderr.write(line(when, "info", "request", fields) + "\n")
