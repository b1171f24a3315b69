"""Write the log as JSON lines, one for each request, with the request id. Lines never hold a key or a picture."""

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
    """Format log records as JSON objects."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields = {
            "time": _timestamp(record.created),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        fields |= getattr(record, "fields", {})
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(fields, separators=(",", ":"))  # it can write any text of an error; orjson cannot


def log_request(when: float, fields: Mapping[str, Any]) -> None:
    """Write the line of one request to stderr, without ``logging``, whose records take twice as long."""
    line = {"time": _timestamp(when), "level": "info", "message": "request", **fields}
    with suppress(OSError):  # the reader of the log has closed it; requests are answered all the same
        sys.stderr.write(orjson.dumps(line).decode() + "\n")


def _timestamp(when: float) -> str:
    """RFC 3339, in local time with its offset: ``2026-11-28T04:54:49.441+01:00``."""
    return datetime.fromtimestamp(when).astimezone().isoformat(timespec="milliseconds")
