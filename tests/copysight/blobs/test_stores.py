"""What every store of blobs does: one contract, files and S3 (a real server)."""

import hashlib
import secrets
import socket
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from copysight.blobs import THUMBNAIL_SUFFIX, Blobs, encode_thumbnail
from copysight.blobs.file_store import FileStore
from copysight.blobs.s3 import address
from copysight.blobs.store import Store
from copysight.errors import BlobsUnavailable, InvalidArgument
from copysight.system.locks.shared_lock import SharedFileLock

STORES = ("files", "s3")


@pytest.fixture(params=STORES)
def make(request, tmp_path):
    """Opens one store; called again, another process's view of it."""
    if request.param == "files":
        return lambda: FileStore(tmp_path / "blobs")
    request.getfixturevalue("on_s3")
    from copysight.blobs.s3.store import S3Store

    place = address.configured().below(secrets.token_hex(4))
    return lambda: S3Store(place, 10**6)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def blobs(make, tmp_path) -> Blobs:
    return opened(make(), tmp_path)


def opened(store: Store, tmp_path: Path, policy: str = "keep") -> Blobs:
    return Blobs(store, policy, SharedFileLock(tmp_path / "lock"))


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_originals_and_thumbnails_are_read_as_they_were_written(blobs, make, tmp_path, drawn, jpeg):
    data = jpeg(drawn(1, (1200, 700)))
    sha256 = blobs.put_original(data)
    blobs.put_thumbnail(sha256, drawn(1, (1200, 700)))
    assert sha256 == sha256_of(data)
    for one in (blobs, opened(make(), tmp_path)):
        assert one.original(sha256) == data
        assert one.has_original(sha256)
        assert one.has_thumbnail(sha256)
        with Image.open(BytesIO(one.thumbnail(sha256))) as small:
            assert (small.format, small.size) == ("JPEG", (512, 299))
        assert one.names() == [sha256]


def test_what_is_missing_is_none(blobs):
    assert blobs.original("0" * 64) is None
    assert blobs.thumbnail("0" * 64) is None
    assert not blobs.has_original("0" * 64)
    assert blobs.with_thumbnail(["0" * 64, "1" * 64]) == set()
    assert blobs.names() == []
    assert not blobs.held()("0" * 64)
    blobs.delete(["0" * 64, "1" * 64])


def test_many_are_written_listed_and_deleted(blobs, make, tmp_path, drawn):
    files = [f"picture {number}".encode() for number in range(40)]
    sums = blobs.put_originals(files)
    blobs.put_thumbnails({sha256: drawn(1, (40, 30)) for sha256 in sums[:20]})
    other = opened(make(), tmp_path)
    assert other.names() == sorted(sums)
    held = other.held()
    assert [held(sha256) for sha256 in sums] == [True] * 40
    assert [held(sha256 + THUMBNAIL_SUFFIX) for sha256 in sums] == [True] * 20 + [False] * 20
    assert other.with_thumbnail(sums) == set(sums[:20])
    assert list(other.store.damaged()) == []
    blobs.delete(sums[:39])
    assert other.names() == sums[39:]
    assert blobs.original(sums[0]) is None
    assert blobs.thumbnail(sums[0]) is None


def test_files_are_moved_in(blobs, tmp_path, drawn, jpeg):
    chunk = tmp_path / "chunk"
    chunk.mkdir()
    blobs.put_original(b"the directory is there")
    data = [jpeg(drawn(i)) for i in range(3)]
    sums = [sha256_of(one) for one in data]
    for i, sha256 in enumerate(sums):
        (chunk / sha256).write_bytes(data[i])
        (chunk / f"{sha256}{THUMBNAIL_SUFFIX}").write_bytes(encode_thumbnail(drawn(i)))
    blobs.put_original(data[0])
    with blobs.hold():
        blobs.move_in(sorted(chunk.iterdir()))
    assert list(chunk.iterdir()) == []
    assert [blobs.original(sha256) for sha256 in sums] == data
    assert blobs.with_thumbnail(sums) == set(sums)
    (chunk / "other.txt").write_text("x")
    with pytest.raises(InvalidArgument):
        blobs.move_in(sorted(chunk.iterdir()))


def test_a_wrong_content_is_found(blobs):
    sums = blobs.put_originals([b"one", b"two", b"three"])
    blobs.store.delete([sums[1]])
    blobs.store.write({sums[1]: b"bit rot"})
    assert list(blobs.store.damaged()) == [sums[1]]


def test_files_are_copied_out_under_their_names(blobs, tmp_path, drawn):
    sums = blobs.put_originals([b"one", b"two"])
    blobs.put_thumbnail(sums[0], drawn(1))
    blobs.store.copy_to([*sums, sums[0] + THUMBNAIL_SUFFIX, "0" * 64], tmp_path / "out")
    copied = Blobs.in_directory(tmp_path / "out")
    assert copied.names() == sorted(sums)
    assert copied.original(sums[1]) == b"two"
    assert copied.with_thumbnail(sums) == {sums[0]}


def test_an_empty_file_counts_as_missing(blobs):
    sha256 = sha256_of(b"lost")
    blobs.store.write({sha256: b""})
    assert blobs.original(sha256) is None
    assert not blobs.has_original(sha256)
    assert not blobs.held()(sha256)


@pytest.mark.parametrize("name", ["../../../etc/passwd", "a" * 63, "A" * 64, "", "a" * 63 + "/"])
def test_a_name_that_is_not_a_sha256_is_rejected(blobs, name):
    for call in (blobs.thumbnail, blobs.original, blobs.has_original, lambda one: blobs.delete([one])):
        with pytest.raises(InvalidArgument):
            call(name)


@pytest.mark.parametrize(
    ("given", "bucket", "prefix"),
    [
        ("s3://pictures", "pictures", ""),
        ("s3://pictures/", "pictures", ""),
        ("s3://my-bucket.x/a//b/", "my-bucket.x", "a/b"),
    ],
)
def test_addresses(given, bucket, prefix):
    found = address.address(given)
    assert (found.bucket, found.prefix) == (bucket, prefix)
    assert str(found.below("c")) == f"s3://{bucket}/{prefix + '/' if prefix else ''}c"


@pytest.mark.parametrize("given", ["pictures", "s3://", "s3://Upper", "https://x/y", "s3://ab", "s3://abc/ä"])
def test_an_address_that_cannot_be_is_refused(given):
    with pytest.raises(InvalidArgument, match="COPYSIGHT_BLOBS"):
        address.address(given)


def test_errors_of_s3_name_what_to_do_and_no_secret(on_s3, monkeypatch, unused_port):
    from copysight.blobs.s3.store import S3Store

    def failing() -> str:
        store = S3Store(address.configured(), 0)
        for call in (
            lambda: store.read("0" * 64),
            lambda: store.write({"0" * 64: b"x"}),
            lambda: list(store.names()),
            lambda: store.holds(["0" * 64]),
            lambda: store.delete(["0" * 64]),
        ):
            with pytest.raises(BlobsUnavailable) as caught:
                call()
        return caught.value.message

    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("COPYSIGHT_BLOBS", "s3://no-such-bucket/blobs")
        store = S3Store(address.configured(), 0)
        for call in (lambda: store.read("0" * 64), lambda: list(store.names()), lambda: store.delete(["0" * 64])):
            with pytest.raises(BlobsUnavailable, match="the bucket of the blobs does not exist"):
                call()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert "refuses access" in failing()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_port}")
    message = failing()
    assert "does not answer" in message
    assert "127.0.0.1" not in message
