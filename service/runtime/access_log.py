"""One line of JSON a request, with an id that the client hears too. No key and no picture is ever in it."""

import json
import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import orjson

log = logging.getLogger("copysight.requests")


class JsonFormatter(logging.Formatter):
    """Log records as JSON objects."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        about = {"time": _shown(record.created), "level": record.levelname.lower(), "message": record.getMessage()}
        about |= getattr(record, "fields", {})
        if record.exc_info:
            about["trace"] = self.formatException(record.exc_info)
        return json.dumps(about, separators=(",", ":"))  # which writes any text that an error may hold; orjson does not


def note(when: float, fields: Mapping[str, Any]) -> None:
    """The line of one request, straight to where ``logging`` writes the others: its records take twice as long."""
    about = {"time": _shown(when), "level": "info", "message": "request", **fields}
    with suppress(OSError):  # whoever read the log has gone; callers still have their answers
        sys.stderr.write(orjson.dumps(about).decode() + "\n")


def _shown(when: float) -> str:
    return datetime.fromtimestamp(when).isoformat(" ", "milliseconds").replace(".", ",")
