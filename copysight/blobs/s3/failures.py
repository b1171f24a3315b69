"""Errors of S3 as ours."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from copysight.errors import BlobsUnavailable
from copysight.system.seldom import Seldom

log = logging.getLogger("copysight.blobs")
ERRORS = (BaseError, OSError)
NO_BUCKET = "NoSuchBucket"
"""The error code of S3. obstore raises it as `NotFoundError` for some calls, and as `GenericError` for others."""
_SELDOM = Seldom(10.0)


@contextmanager
def explaining() -> Iterator[None]:
    """Raise errors of S3 as ours, and that of a missing object as it is, except if the bucket is missing."""
    try:
        yield
    except ERRORS as error:
        if isinstance(error, FileNotFoundError) and NO_BUCKET not in str(error):
            raise
        raise _explained(error) from error


def _explained(error: Exception) -> BlobsUnavailable:
    """What S3 says, which may name hosts and keys, goes to the log, once in ten seconds."""
    if _SELDOM.may():
        log.warning("S3 does not store or return blobs: %s", " ".join(str(error).split("\n\n")[0].split())[:500])
    if NO_BUCKET in str(error):
        return BlobsUnavailable("the bucket of the blobs does not exist; create it, or correct COPYSIGHT_BLOBS")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or "403 Forbidden" in str(error):
        return BlobsUnavailable(
            "S3 refuses access to the blobs; look at the AWS_* variables and at the rights of their user (the log of "
            "the server has what S3 said)"
        )
    return BlobsUnavailable(
        "S3, where the blobs are, does not answer now; try again in a moment (a write that was not acknowledged may "
        "have been made)"
    )
