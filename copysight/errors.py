"""The tree of domain errors. Every error has a stable ``code`` and carries its data; none of them knows HTTP.

CopysightError
├── PictureError                 one picture cannot be used; its neighbours are unharmed
│   ├── EmptyPicture             no bytes
│   ├── UnsupportedFormat        bytes of a format that is not allowed, or no picture at all
│   ├── CorruptPicture           the header reads, the body does not (truncated, damaged)
│   ├── PictureTooSmall          a side below the least side
│   ├── TooManyBytes             more bytes than the cap
│   └── TooManyPixels            more pixels than the cap (decompression bombs)
├── BundleError                  a model bundle cannot be used
│   ├── BundleNotFound           no bundle there
│   ├── BundleCorrupt            a file differs from its checksum, or the description cannot be read
│   ├── OutputMissing            the bundle does not give what was asked for (attention of a ResNet, say)
│   └── ExportFailed             the exported graph does not agree with the network
├── IndexFault                   a collection cannot be used
│   ├── IndexNotFound            no index there
│   ├── IndexCorrupt             a file differs from its checksum, or cannot be read
│   ├── BundleMismatch           the index was made with another bundle
│   ├── PublisherBusy            another publisher holds the index
│   ├── GateFailed               a new generation did not pass its gate; the live one stays
│   ├── NoGeneration             there is no generation to go to
│   ├── OriginalsMissing         pictures cannot be embedded again, because their originals are gone
│   └── NotWritable              the disk is full or read-only; what was acknowledged stays
├── RequestError                 a question that cannot be answered as asked
│   ├── ItemNotFound             no such item, cluster or job
│   ├── KeyConflict              the key is taken by other bytes
│   └── InvalidArgument          a value outside what is allowed
└── JobError                     a job on files cannot start or go on
    ├── NoPictures               nothing to read
    ├── TooFewPictures           fewer pictures than the job needs
    ├── CheckpointMismatch       a checkpoint does not fit
    └── TrainingDiverged         NaN, or a collapsed teacher
"""

from typing import ClassVar


class CopysightError(Exception):
    """Root of all errors that a user can cause or mend. ``str(error)`` is one clear sentence."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **data: object) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class PictureError(CopysightError):
    """One picture cannot be used."""

    code = "bad_picture"


class EmptyPicture(PictureError):
    """No bytes at all."""

    code = "empty_picture"


class UnsupportedFormat(PictureError):
    """Not a picture, or a picture of a format that is not allowed."""

    code = "unsupported_format"


class CorruptPicture(PictureError):
    """The header reads, the body does not."""

    code = "corrupt_picture"


class PictureTooSmall(PictureError):
    """A side is below the least side that says anything."""

    code = "picture_too_small"


class TooManyBytes(PictureError):
    """The file is larger than the cap."""

    code = "too_many_bytes"


class TooManyPixels(PictureError):
    """The picture would decode to more pixels than the cap."""

    code = "too_many_pixels"


class BundleError(CopysightError):
    """A model bundle cannot be used."""

    code = "bad_bundle"


class BundleNotFound(BundleError):
    """There is no bundle at the path."""

    code = "bundle_not_found"


class BundleCorrupt(BundleError):
    """A file of the bundle is missing, damaged or of an unknown format version."""

    code = "bundle_corrupt"


class OutputMissing(BundleError):
    """The bundle has no such output."""

    code = "output_missing"


class ExportFailed(BundleError):
    """The exported graph does not agree with the network it came from."""

    code = "export_failed"


class IndexFault(CopysightError):
    """A collection cannot be used."""

    code = "bad_index"


class IndexNotFound(IndexFault):
    """There is no index at the path."""

    code = "index_not_found"


class IndexCorrupt(IndexFault):
    """A file of the index is missing, damaged or of an unknown format version."""

    code = "index_corrupt"


class BundleMismatch(IndexFault):
    """The index was made with another bundle."""

    code = "bundle_mismatch"


class PublisherBusy(IndexFault):
    """Another publisher holds the index."""

    code = "publisher_busy"


class GateFailed(IndexFault):
    """A new generation did not pass its gate."""

    code = "gate_failed"


class NoGeneration(IndexFault):
    """There is no generation to serve or to go back to."""

    code = "no_generation"


class OriginalsMissing(IndexFault):
    """Another bundle needs the originals of all pictures; ``items`` lists those without one."""

    code = "originals_missing"


class NotWritable(IndexFault):
    """The disk is full, or the directory cannot be written; what was acknowledged before is unharmed."""

    code = "not_writable"


class RequestError(CopysightError):
    """A question that cannot be answered as asked."""

    code = "bad_request"


class ItemNotFound(RequestError):
    """No such item, cluster or job."""

    code = "not_found"


class KeyConflict(RequestError):
    """The key is taken by other bytes."""

    code = "key_conflict"


class InvalidArgument(RequestError):
    """A value outside what is allowed."""

    code = "invalid_argument"


class JobError(CopysightError):
    """A job on files cannot start or go on."""

    code = "job_failed"


class NoPictures(JobError):
    """Nothing to read."""

    code = "no_pictures"


class TooFewPictures(JobError):
    """Fewer pictures than the job needs."""

    code = "too_few_pictures"


class CheckpointMismatch(JobError):
    """A checkpoint does not fit the job."""

    code = "checkpoint_mismatch"


class TrainingDiverged(JobError):
    """The loss is not finite, or the teacher has collapsed."""

    code = "training_diverged"
