"""Blobs in files: storage policies, the layout of the directory, sweeping. `test_stores` has what all stores do."""

import hashlib
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from copysight.blobs import THUMBNAIL_SUFFIX, Blobs, encode_thumbnail
from copysight.errors import InvalidArgument


def test_stored_originals_and_thumbnails_can_be_read(tmp_path: Path, drawn: Callable, jpeg: Callable) -> None:
    blobs, data = Blobs.in_directory(tmp_path), jpeg(drawn(1, (1200, 700)))
    sha256 = blobs.put_original(data)
    blobs.put_thumbnail(sha256, drawn(1, (1200, 700)))
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert blobs.original(sha256) == data
    assert (tmp_path / sha256[:2] / sha256).read_bytes() == data
    with Image.open(BytesIO(blobs.thumbnail(sha256))) as small:
        assert (small.format, small.size) == ("JPEG", (512, 299))
    assert list(blobs.names()) == [sha256]


def test_small_pictures_are_not_enlarged(tmp_path: Path, drawn: Callable) -> None:
    blobs = Blobs.in_directory(tmp_path)
    blobs.put_thumbnail("0" * 64, drawn(1, (40, 30)))
    with Image.open(BytesIO(blobs.thumbnail("0" * 64))) as small:
        assert small.size == (40, 30)


def test_files_are_moved_in_with_one_sync(tmp_path: Path, drawn: Callable, jpeg: Callable) -> None:
    blobs, chunk = Blobs.in_directory(tmp_path / "blobs"), tmp_path / "chunk"
    chunk.mkdir()
    data = [jpeg(drawn(i)) for i in range(3)]
    sums = [hashlib.sha256(one).hexdigest() for one in data]
    for i, sha256 in enumerate(sums):
        (chunk / sha256).write_bytes(data[i])
        (chunk / f"{sha256}{THUMBNAIL_SUFFIX}").write_bytes(encode_thumbnail(drawn(i)))
    blobs.put_original(data[0])
    with blobs.hold():
        blobs.move_in(sorted(chunk.iterdir()))
    assert list(chunk.iterdir()) == []
    assert list(blobs.names()) == sorted(sums)
    assert [blobs.original(sha256) for sha256 in sums] == data
    assert all(blobs.thumbnail(sha256) is not None for sha256 in sums)
    (chunk / "other.txt").write_text("x")
    with pytest.raises(InvalidArgument):
        blobs.move_in(sorted(chunk.iterdir()))


def test_delete_removes_original_and_thumbnail_and_can_be_repeated(
    tmp_path: Path, drawn: Callable, jpeg: Callable
) -> None:
    blobs = Blobs.in_directory(tmp_path)
    sha256 = blobs.put_original(jpeg(drawn(1)))
    blobs.put_thumbnail(sha256, drawn(1))
    blobs.delete([sha256])
    blobs.delete([sha256])
    assert blobs.original(sha256) is None
    assert blobs.thumbnail(sha256) is None
    assert list(blobs.names()) == []


def test_reference_policy_reads_the_source_only_while_its_bytes_are_the_same(tmp_path: Path) -> None:
    source = tmp_path / "source.jpg"
    source.write_bytes(b"bytes")
    blobs = Blobs.in_directory(tmp_path / "blobs", "reference")
    sha256 = blobs.put_original(b"bytes")
    assert blobs.original(sha256, str(source)) == b"bytes"
    source.write_bytes(b"other")
    assert blobs.original(sha256, str(source)) is None
    assert blobs.original(sha256) is None


def test_discard_policy_stores_no_original(tmp_path: Path) -> None:
    source = tmp_path / "source.jpg"
    source.write_bytes(b"bytes")
    blobs = Blobs.in_directory(tmp_path / "blobs", "discard")
    assert blobs.original(blobs.put_original(b"bytes"), str(source)) is None


@pytest.mark.parametrize("name", ["../../../etc/passwd", "a" * 63, "A" * 64, "", "a" * 63 + "/"])
def test_a_name_that_is_not_a_sha256_is_rejected(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgument):
        Blobs.in_directory(tmp_path).thumbnail(name)


def test_sweep_waits_until_no_one_holds(tmp_path: Path) -> None:
    blobs, order = Blobs.in_directory(tmp_path), []
    entered = threading.Event()

    def sweep() -> None:
        entered.set()
        with blobs.sweep():
            order.append("sweep")

    thread = threading.Thread(target=sweep)
    with blobs.hold(), blobs.hold():
        thread.start()
        entered.wait()
        order.append("hold")
    thread.join()
    assert order == ["hold", "sweep"]
