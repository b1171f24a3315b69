"""Read and write video files, frame by frame, with PyAV: the extra ``video``, imported only here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from copysight.errors import CorruptPicture, InvalidArgument, TooManyPixels

READ = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".avi": "avi",
    ".mkv": "matroska",
    ".webm": "matroska",
    ".mpg": "mpeg",
}
"""Endings and FFmpeg's names of their formats. The format is never guessed: a playlist could name other addresses."""
WRITTEN = ".mp4"
RATE = Fraction(25, 2)
"""Frames a second of what does not say its own."""
ENCODERS = ("libx264", "mpeg4")
"""The first that PyAV was built with is taken: H.264, or MPEG-4 Part 2."""
QUALITY = "20"
"""Constant rate factor of H.264: 18 cannot be told from the source by eye, 23 is the default."""


@dataclass(frozen=True)
class Video:
    """A video file, of which every ``step``-th frame is read.

    It has ``count`` frames, 0 if it does not say, and ``rate`` frames a second.
    """

    path: Path
    count: int
    rate: Fraction
    step: int
    max_pixels: int

    def __len__(self) -> int:
        return ceil(self.count / self.step)

    def __iter__(self) -> Iterator[Image.Image]:
        """The frames: RGB, upright. Raises ``CorruptPicture`` where the file breaks off or is damaged."""
        return _frames(self)


def check_installed() -> None:
    """Raise ``InvalidArgument`` if PyAV is not installed."""
    _library()


def opened(path: Path, max_pixels: int, step: int = 1) -> Video:
    """Open a video file to read every ``step``-th frame.

    Raises ``InvalidArgument`` if PyAV is not installed, ``CorruptPicture`` for a file that is no video, and
    ``TooManyPixels`` for frames of more than ``max_pixels``.
    """
    av = _library()
    try:
        with av.open(str(path), format=READ[path.suffix.lower()]) as container:
            stream = _stream(container, path)
            rate = stream.average_rate or stream.guessed_rate or RATE
            count = stream.frames or _estimated(stream, rate)
            pixels = stream.width * stream.height
    except av.error.FFmpegError as error:
        raise _damaged(path, error) from error
    if pixels > max_pixels:
        raise TooManyPixels(
            f"{path}: got frames of {pixels} pixels; at most {max_pixels} are allowed; make the video smaller, or "
            "raise COPYSIGHT_MAX_PIXELS"
        )
    return Video(path, count, Fraction(rate), step, max_pixels)


def write(path: Path, frames: Iterable[Image.Image], rate: Fraction = RATE) -> int:
    """Write RGB frames of one size as an MP4 file, and return their number. The file is there when it is complete.

    Sides of an odd number of pixels get one more, in black: the format has half the resolution in colour. Raises
    ``InvalidArgument`` if PyAV is not installed, or for frames of several sizes.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        count = _encode(part, frames, rate)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _encode(path: Path, frames: Iterable[Image.Image], rate: Fraction) -> int:
    av, count, size = _library(), 0, (0, 0)
    encoder = next(name for name in ENCODERS if name in av.codec.codecs_available)
    with av.open(str(path), "w", format=READ[WRITTEN]) as container:
        stream: Any = container.add_stream(encoder, rate=rate)
        stream.pix_fmt = "yuv420p"
        if encoder == ENCODERS[0]:
            stream.options = {"crf": QUALITY}
        for count, picture in enumerate(frames, start=1):
            even = _even(picture)
            if count == 1:
                size = picture.size
                stream.width, stream.height = even.size
            if picture.size != size:
                raise InvalidArgument("got frames of 2 shapes; all frames of a video must have the same shape")
            container.mux(stream.encode(av.VideoFrame.from_image(even)))
        container.mux(stream.encode())
    return count


def _frames(video: Video) -> Iterator[Image.Image]:
    av, number = _library(), -1
    try:
        with av.open(str(video.path), format=READ[video.path.suffix.lower()]) as container:
            stream = _stream(container, video.path)
            stream.thread_type = "AUTO"
            for number, frame in enumerate(container.decode(stream)):
                if number % video.step == 0:
                    yield _upright(frame)
    except av.error.FFmpegError as error:
        raise _damaged(video.path, error) from error
    if number < 0:
        raise _damaged(video.path, "it has no frames")


def _upright(frame: Any) -> Image.Image:
    """The picture, turned as the file says (anticlockwise degrees): telephones store films lying."""
    picture: Image.Image = frame.to_image()
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture


def _even(picture: Image.Image) -> Image.Image:
    width, height = (side + side % 2 for side in picture.size)
    return picture.convert("RGB") if (width, height) == picture.size else picture.crop((0, 0, width, height))


def _stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise _damaged(path, "it has no pictures")
    return container.streams.video[0]


def _estimated(stream: Any, rate: Fraction) -> int:
    return round(stream.duration * stream.time_base * rate) if stream.duration else 0


def _damaged(path: Path, why: object) -> CorruptPicture:
    return CorruptPicture(
        f"{path} cannot be read as a video ({why}); send the whole file, or extract the frames with another program, "
        f"for example `ffmpeg -i {path.name} frames/%05d.jpg`, and give the folder of frames"
    )


def _library() -> ModuleType:
    try:
        import av  # noqa: PLC0415 - an extra that few need, with 100 MB of libraries
    except ImportError as error:
        raise InvalidArgument(
            f"video files need PyAV ({error}); install copysight[video], or extract the frames, for example with "
            "`ffmpeg -i film.mp4 frames/%05d.jpg`, and give the folder of frames"
        ) from error
    return av
