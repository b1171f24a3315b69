"""Read bytes from base64 as people and programs write it: RFC 4648 with either alphabet, MIME lines, data URIs."""

import base64
import re
from urllib.parse import unquote_to_bytes

from service.http.problems import NotBase64

DATA_URI = re.compile(r"\s*data:([^,]*),", re.IGNORECASE)
WHITE = b" \t\r\n\v\f"
STANDARD = bytes.maketrans(b"-_", b"+/")
"""From the alphabet for URLs and file names (RFC 4648, section 5) to the usual one."""


def decoded(text: str) -> bytes:
    """The bytes of base64 or of a data URI.

    Line breaks and spaces are left out, the padding may be missing, and a data URI may be percent-encoded (RFC 2397).
    Raises ``NotBase64``.
    """
    start = 0
    if head := DATA_URI.match(text[:1024]):
        if head[1].replace(" ", "").lower().rpartition(";")[2] != "base64":
            raise NotBase64("got a data URI that is not base64; write data:image/jpeg;base64,…")
        start = head.end()
    try:
        given = text[start:].encode("ascii")
        return _strict(unquote_to_bytes(given) if start and b"%" in given else given)
    except ValueError as error:  # binascii.Error, and the error of characters outside ASCII
        raise NotBase64(
            f"got a string that is not base64 ({error}); send the bytes of a picture file as base64"
        ) from error


def _strict(given: bytes) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except ValueError:
        plain = given.translate(STANDARD, WHITE)
        bare = plain.rstrip(b"=")
        if len(plain) - len(bare) > 2:
            raise
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
