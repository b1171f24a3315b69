"""Hooks of schemathesis: how to serialize NDJSON bodies."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    """Send any generated value as one line."""
    return value if isinstance(value, bytes) else str(value).encode()
