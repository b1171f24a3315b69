"""A pack holds every readable picture in order, and counts the others by reason."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from copysight.errors import NoPictures, TooFewPictures
from copysight.pictures.decode import Limits
from copysight.pictures.scan import Entry, Failure, scan
from tests.conftest import drawn_picture
from training.data import pack as packs
from training.data.pack import Pack


def test_a_pack_holds_the_pixels_of_every_picture(photos: Path, pack: Pack) -> None:
    files = sorted(photos.rglob("*.jpg"))
    assert len(pack) == len(files) == 28
    assert pack.names == tuple(str(file.relative_to(photos)) for file in files)
    for number in (0, 5, 27):
        expected = np.asarray(Image.open(files[number]).convert("RGB"))
        assert np.array_equal(pack.picture(number), expected)
        assert tuple(pack.sizes[number]) == expected.shape[:2]


def test_tar_shards_hold_the_same_pictures_as_the_folder(photos: Path, pack: Pack, tmp_path: Path) -> None:
    files = sorted(photos.rglob("*.jpg"))
    (tmp_path / "shards").mkdir()
    for shard, part in enumerate((files[:10], files[10:])):
        with tarfile.open(tmp_path / "shards" / f"s-{shard}.tar", "w") as tar:
            for file in part:
                tar.add(file, str(file.relative_to(photos)))
    packed = packs.pack(tmp_path / "shards", tmp_path / "cache")
    assert [name.partition("/")[2] for name in packed.names] == list(pack.names)
    assert np.array_equal(packed.pixels, pack.pixels)
    alone = packs.pack(tmp_path / "shards" / "s-0.tar", tmp_path / "cache")
    assert [name.partition("/")[2] for name in alone.names] == list(pack.names[:10])


def test_large_pictures_are_reduced_to_the_side(tmp_path: Path) -> None:
    drawn_picture(1, (300, 200)).save(tmp_path / "large.png")
    drawn_picture(2, (60, 100)).save(tmp_path / "small.png")
    packed = packs.pack(tmp_path, tmp_path / "cache", side=64)
    assert packed.sizes.tolist() == [[64, 96], [100, 60]]


def test_equal_pictures_have_one_number(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2), ("c", 1), ("d", 3), ("e", 2)):
        drawn_picture(seed, (40, 30)).save(tmp_path / f"{name}.png")
    Image.fromarray(np.asarray(drawn_picture(1, (40, 30))).reshape(40, 30, 3)).save(tmp_path / "f.png")
    packed = packs.pack(tmp_path, tmp_path / "cache")
    assert packed.firsts.tolist() == [0, 1, 0, 3, 1, 5]  # the last has the bytes of the first, in another shape
    (packed.path / "firsts.npy").unlink()  # packs of older versions have no such file
    assert packs.load(packed.path).firsts.tolist() == [0, 1, 0, 3, 1, 5]


def test_a_pack_is_made_once(photos: Path, tmp_path: Path) -> None:
    first = packs.pack(photos, tmp_path)
    before = (first.path / "pixels.u8").stat().st_mtime_ns
    assert packs.pack(photos, tmp_path).path == first.path
    assert (first.path / "pixels.u8").stat().st_mtime_ns == before
    assert packs.pack(photos, tmp_path, side=32).path != first.path


def test_two_trainings_can_write_the_same_pack_at_once(photos: Path, tmp_path: Path) -> None:
    made: list[Pack] = []

    def other_is_faster(_done: int) -> None:
        if not made:
            made.append(packs.pack(photos, tmp_path))

    late = packs.pack(photos, tmp_path, report=other_is_faster)
    assert made
    assert np.array_equal(late.pixels, made[0].pixels)
    assert len(list(tmp_path.iterdir())) == 1


def test_unreadable_files_are_counted_by_reason(tmp_path: Path, jpeg: object) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for seed in range(3):
        drawn_picture(seed).save(folder / f"good{seed}.jpg")
    whole = (folder / "good0.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("this text is no picture")
    packed = packs.pack(folder, tmp_path / "cache")
    assert len(packed) == 3
    assert packed.unreadable == {"corrupt_picture": 1, "empty_picture": 1, "unsupported_format": 1}


def test_a_source_without_readable_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(NoPictures, match="found no pictures at"):
        packs.pack(tmp_path, tmp_path / "cache")
    with pytest.raises(NoPictures, match="found no pictures at"):
        scan(tmp_path / "absent")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(NoPictures, match="1 corrupt_picture"):
        packs.pack(tmp_path, tmp_path / "cache")
    (tmp_path / "bad.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(NoPictures, match="cannot be read as a tar"):
        packs.pack(tmp_path / "bad.tar", tmp_path / "cache")


def test_fewer_pictures_than_needed_is_an_error(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TooFewPictures, match="holds 28 pictures, 64 are needed"):
        packs.pack(photos, tmp_path, min_pictures=64)
    assert not list(tmp_path.iterdir())  # nothing was decoded


def test_only_readable_pictures_count_towards_the_minimum(photos: Path, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"no picture")
    first = next(photos.rglob("*.jpg"))
    (tmp_path / "good.jpg").write_bytes(first.read_bytes())
    with pytest.raises(TooFewPictures, match=r"holds 1 readable pictures \(3 .* unreadable\), 4 are needed"):
        packs.pack(tmp_path, tmp_path / "cache", min_pictures=4)


def test_a_file_that_was_deleted_is_counted_as_unreadable(photos: Path) -> None:
    gone = Entry("gone.jpg", photos / "gone.jpg", 0, 10, "", False)
    found = packs._decode(gone, 64, Limits())
    assert isinstance(found, Failure)
    assert (found.key, found.code) == ("gone.jpg", "unreadable_file")
