"""What schemathesis has to be told: how lines of JSON are sent."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    """Whatever was made up goes as one line; the service answers line by line."""
    return value if isinstance(value, bytes) else str(value).encode()
