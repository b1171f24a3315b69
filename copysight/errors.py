"""Domain errors in one tree. Each error has a stable ``code`` and carries its data; HTTP statuses are set elsewhere.

CopysightError
├── PictureError                 one picture cannot be used; other pictures are not affected
│   ├── EmptyPicture             the file has no bytes
│   ├── UnsupportedFormat        not a picture, or a format that is not allowed
│   ├── CorruptPicture           the header or the pixels cannot be read (truncated or damaged file)
│   ├── PictureTooSmall          a side is shorter than the minimum
│   ├── TooManyBytes             more bytes than the limit
│   └── TooManyPixels            more pixels than the limit (decompression bombs)
├── BundleError                  a model bundle cannot be used
│   ├── BundleNotFound           no bundle at the path
│   ├── BundleCorrupt            a file differs from its checksum, or the description cannot be read
│   ├── OutputMissing            the bundle has no such output (attention of a ResNet, for example)
│   └── ExportFailed             the exported graph does not agree with the network
├── IndexFault                   a collection cannot be used
│   ├── IndexNotFound            no index at the path
│   ├── IndexCorrupt             a file differs from its checksum, or cannot be read
│   ├── BundleMismatch           the index was made with another bundle
│   ├── PublisherBusy            another publisher holds the index
│   ├── GateFailed               a new generation failed the publish checks; the live one stays
│   ├── NoGeneration             there is no generation to serve or to return to
│   ├── OriginalsMissing         pictures cannot be embedded again without their original files
│   ├── NotWritable              the disk is full or read-only; acknowledged writes are kept
│   ├── CatalogUnavailable       the server of the catalog does not answer
│   ├── BlobsUnavailable         the store of originals and thumbnails does not answer
│   └── VectorsUnavailable       the server of the vectors does not answer
├── RequestError                 a request cannot be answered
│   ├── ItemNotFound             no such item, cluster or job
│   ├── KeyConflict              the key belongs to a picture with other bytes
│   ├── ReviewConflict           the review is closed, or somebody else is at it
│   └── InvalidArgument          a value is not allowed
└── JobError                     a job on files cannot start or go on
    ├── NoPictures               the source has no pictures
    ├── TooFewPictures           fewer pictures than the job needs
    ├── TooManyMissing           most files of a collection have vanished, so nothing is removed
    ├── CheckpointMismatch       a checkpoint does not fit the job
    └── TrainingDiverged         the loss is not finite, or the teacher collapsed
"""

from typing import ClassVar


class CopysightError(Exception):
    """Base class of all errors that a user can cause or fix. ``str(error)`` is one clear sentence."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **data: object) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class PictureError(CopysightError):
    """One picture cannot be used."""

    code = "bad_picture"


class EmptyPicture(PictureError):
    """The file has no bytes."""

    code = "empty_picture"


class UnsupportedFormat(PictureError):
    """The bytes are not a picture, or the format is not allowed."""

    code = "unsupported_format"


class CorruptPicture(PictureError):
    """The header or the pixels cannot be read: the file is truncated or damaged."""

    code = "corrupt_picture"


class PictureTooSmall(PictureError):
    """A side is shorter than the minimum."""

    code = "picture_too_small"


class TooManyBytes(PictureError):
    """The file has more bytes than the limit."""

    code = "too_many_bytes"


class TooManyPixels(PictureError):
    """The picture would decode to more pixels than the limit."""

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
    """A new generation failed the publish checks; the live generation stays."""

    code = "gate_failed"


class NoGeneration(IndexFault):
    """There is no generation to serve or to return to."""

    code = "no_generation"


class OriginalsMissing(IndexFault):
    """A change of the bundle needs the originals of all pictures; ``items`` lists those without one."""

    code = "originals_missing"


class NotWritable(IndexFault):
    """The disk is full, or the directory cannot be written. Writes acknowledged before are kept."""

    code = "not_writable"


class CatalogUnavailable(IndexFault):
    """The server of the catalog does not answer now. Acknowledged writes are kept; connections are made again."""

    code = "catalog_unavailable"


class BlobsUnavailable(IndexFault):
    """The store of originals and thumbnails does not answer now, or refuses. Acknowledged writes are kept."""

    code = "blobs_unavailable"


class VectorsUnavailable(IndexFault):
    """The server that holds the vectors of the index does not answer, or is still loading them."""

    code = "vectors_unavailable"


class RequestError(CopysightError):
    """A request cannot be answered."""

    code = "bad_request"


class ItemNotFound(RequestError):
    """No such item, cluster or job."""

    code = "not_found"


class KeyConflict(RequestError):
    """The key already belongs to a picture with other bytes."""

    code = "key_conflict"


class ReviewConflict(RequestError):
    """The review is closed, or claimed by somebody else."""

    code = "review_conflict"


class InvalidArgument(RequestError):
    """A value is not allowed."""

    code = "invalid_argument"


class JobError(CopysightError):
    """A job on files cannot start or go on."""

    code = "job_failed"


class NoPictures(JobError):
    """The source has no pictures to read."""

    code = "no_pictures"


class TooFewPictures(JobError):
    """There are fewer pictures than the job needs."""

    code = "too_few_pictures"


class TooManyMissing(JobError):
    """More files of a collection have vanished than a sync may remove: perhaps a disk is not mounted."""

    code = "too_many_missing"


class CheckpointMismatch(JobError):
    """A checkpoint does not fit the job."""

    code = "checkpoint_mismatch"


class TrainingDiverged(JobError):
    """The loss is not finite, or the teacher has collapsed."""

    code = "training_diverged"
