"""Video files: written, read again, every n-th frame, odd sides, and what is refused."""

import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from copysight.errors import CorruptPicture, InvalidArgument, TooManyPixels
from copysight.pictures import video

MOST = 10**8


def film(count: int, size: tuple[int, int] = (96, 64)):
    """Frames of one grey each, which gets lighter."""
    return [Image.new("RGB", size, (20 * number + 20,) * 3) for number in range(count)]


def greys(path, step: int = 1):
    return [float(np.asarray(frame).mean()) for frame in video.opened(path, MOST, step)]


def test_a_film_is_read_as_it_was_written(tmp_path):
    assert video.write(tmp_path / "film.mp4", film(9), Fraction(10)) == 9
    opened = video.opened(tmp_path / "film.mp4", MOST)
    assert (len(opened), opened.rate) == (9, 10)
    frames = list(opened)
    assert [frame.size for frame in frames] == [(96, 64)] * 9
    assert [np.asarray(frame).mean() for frame in frames] == pytest.approx([20 * n + 20 for n in range(9)], abs=4)
    assert not (tmp_path / "film.mp4.part").exists()


def test_each_so_many_th_frame(tmp_path):
    video.write(tmp_path / "film.mp4", film(9))
    assert greys(tmp_path / "film.mp4", 4) == pytest.approx([20, 100, 180], abs=4)
    assert len(video.opened(tmp_path / "film.mp4", MOST, 4)) == 3


def test_odd_sides_get_one_more_pixel(tmp_path):
    video.write(tmp_path / "film.mp4", film(3, (95, 63)))
    assert {frame.size for frame in video.opened(tmp_path / "film.mp4", MOST)} == {(96, 64)}


def test_colours_are_kept(tmp_path):
    picture = Image.new("RGB", (64, 64), (200, 60, 30))
    video.write(tmp_path / "film.mp4", [picture] * 3)
    [frame, *_] = video.opened(tmp_path / "film.mp4", MOST)
    assert np.asarray(frame)[32, 32].tolist() == pytest.approx([200, 60, 30], abs=6)


def test_a_failed_film_leaves_the_file_before(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"before")
    with pytest.raises(InvalidArgument, match="the same shape"):
        video.write(tmp_path / "film.mp4", [*film(2), Image.new("RGB", (32, 32))])
    assert [one.name for one in tmp_path.iterdir()] == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_bytes() == b"before"


@pytest.mark.parametrize("content", [b"", b"moov", b"#EXTM3U\nhttp://127.0.0.1/a.ts\n"])
def test_what_is_no_video_is_refused(tmp_path, content):
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(CorruptPicture, match=r"film\.mp4 cannot be read as a video"):
        list(video.opened(tmp_path / "film.mp4", MOST))


def test_a_film_that_breaks_off_is_refused(tmp_path):
    video.write(tmp_path / "film.mp4", film(9, (320, 240)))
    data = (tmp_path / "film.mp4").read_bytes()
    (tmp_path / "film.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptPicture, match="send the whole file"):
        list(video.opened(tmp_path / "film.mp4", MOST))


def test_frames_above_the_limit_are_refused(tmp_path):
    video.write(tmp_path / "film.mp4", film(2))
    with pytest.raises(TooManyPixels, match="6144 pixels; at most 6000"):
        video.opened(tmp_path / "film.mp4", 6000)


def test_without_the_extra_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # as if it were not installed
    for attempt in (
        lambda: video.opened(tmp_path / "film.mp4", MOST),
        lambda: video.write(tmp_path / "film.mp4", film(2)),
    ):
        with pytest.raises(InvalidArgument, match=r"install copysight\[video\]"):
            attempt()
