"""Errors of the operating system that the operator can mend, as domain errors: no space, no rights, no descriptor."""

import errno
from typing import ClassVar

from copysight.errors import CopysightError, NotWritable
from service.runtime import open_files

READ_ONLY = {errno.EROFS, errno.ENOSPC, errno.EDQUOT}
NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE}


class TooManyFiles(CopysightError):
    """The process may not open another file or connection."""

    code: ClassVar[str] = "too_many_files"


def explained(error: OSError) -> CopysightError | None:
    """The error in words that say what to do; None for any other error, which is a defect."""
    if error.errno in READ_ONLY:
        return NotWritable(f"{error.filename or 'a file'} cannot be written ({error}); free disk space or grant access")
    return too_many_files() if error.errno in NO_DESCRIPTOR else None


def too_many_files() -> TooManyFiles:
    """The error, with the limit of this process."""
    return TooManyFiles(
        f"all {open_files.limit():,} files that the server may have open are in use; try again in a moment; to the "
        f"operator: {open_files.ADVICE}"
    )
