"""Copies of known geometry: kinds of edits, and where the reference lies in the copy and the copy in the reference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from numpy.random import Generator
from PIL import Image

from copysight.pictures import edits
from copysight.pictures.edits import Edited, degrade, geometry, scenes
from copysight.pictures.polygon import Matrix

Picture = Image.Image
Make = Callable[[Picture, Generator, Sequence[Picture]], Edited]
JPEG_STRENGTH = 0.3
"""All copies are saved as JPEG, quality 65 to 78, because a copy that is passed on was saved once more."""


@dataclass(frozen=True)
class Copy:
    """A copy, and the corners (C, 2) of what it shares with its reference, as shares of the sides of each."""

    picture: Picture
    in_copy: Matrix
    in_reference: Matrix


def make(kind: str, picture: Picture, rng: Generator, others: Sequence[Picture]) -> Copy:
    """Make a copy of a kind in ``KINDS``; ``others`` are unrelated pictures to paste in or to paste onto."""
    edited = KINDS[kind](picture, rng, others)
    saved = degrade.jpeg(edited.picture, rng, JPEG_STRENGTH).picture
    return Copy(saved, edited.outline(), edited.outline_in_source())


def _crop(least: float, most: float, picture: Picture, rng: Generator, _: Sequence[Picture]) -> Edited:
    return geometry.crop_share(picture, rng, rng.uniform(least, most), 0.35)


def _paste(least: float, most: float, picture: Picture, rng: Generator, others: Sequence[Picture]) -> Edited:
    return scenes.paste(picture, rng, rng.uniform(least, most), others[0])


def _edit(name: str, picture: Picture, rng: Generator, others: Sequence[Picture]) -> Edited:
    return edits.trace(name, picture, rng, rng.uniform(0, 1), others[0])


def _any_angle(picture: Picture, rng: Generator, _: Sequence[Picture]) -> Edited:
    return geometry.rotate_by(picture, rng, rng.uniform(0, 360))


def _border(picture: Picture, rng: Generator, others: Sequence[Picture]) -> Edited:
    return _edit(("pad", "frame", "meme")[int(rng.integers(0, 3))], picture, rng, others)


def _chain(picture: Picture, rng: Generator, others: Sequence[Picture]) -> Edited:
    return edits.trace_chain(picture, rng, others[0])


def _strong(picture: Picture, rng: Generator, others: Sequence[Picture]) -> Edited:
    return edits.trace_strong(picture, rng, others)


KINDS: Mapping[str, Make] = {
    "crop to 50-90 %": partial(_crop, 0.5, 0.9),
    "crop to 20-50 %": partial(_crop, 0.2, 0.5),
    "crop to 10-20 %": partial(_crop, 0.1, 0.2),
    "paste at 50-80 %": partial(_paste, 0.5, 0.8),
    "paste at 30-50 %": partial(_paste, 0.3, 0.5),
    "paste at 15-30 %": partial(_paste, 0.15, 0.3),
    "paste at 10-15 %": partial(_paste, 0.1, 0.15),
    "paste at 5-10 %": partial(_paste, 0.05, 0.1),
    "screenshot": partial(_edit, "screenshot"),
    "border": _border,
    "rotate by up to 45": partial(_edit, "rotate"),
    "rotate by any angle": _any_angle,
    "mirror": partial(_edit, "flip"),
    "quarter turn": partial(_edit, "turn"),
    "perspective": partial(_edit, "perspective"),
    "aspect": partial(_edit, "aspect"),
    "chain": _chain,
    "strong chain": _strong,
}
"""Name -> what makes such a copy. Shares are of the area; a screenshot's is 8 to 85 %."""
