"""Apply edits by name, and combine them into the mild and strong chains that people use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from numpy.random import Generator
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.pictures.edits import degrade, documents, geometry, overlay, scenes
from copysight.pictures.edits.edited import Edited

Picture = Image.Image
Edit = Callable[[Picture, Generator, float], Edited]
EditWithOther = Callable[[Picture, Generator, float, Picture], Edited]

ONE_PICTURE: Mapping[str, Edit] = {
    edit.__name__: edit
    for edit in (
        geometry.crop, geometry.resize, geometry.aspect, degrade.jpeg, degrade.webp, geometry.rotate, geometry.flip,
        geometry.turn, geometry.pad, degrade.colour, degrade.grey, degrade.blur, degrade.noise, degrade.pixelate,
        overlay.text, overlay.shapes, overlay.stripes, scenes.meme, scenes.frame, scenes.screenshot,
        geometry.perspective,
    )
}  # fmt: skip
TWO_PICTURES: Mapping[str, EditWithOther] = {
    edit.__name__: edit for edit in (overlay.blend, overlay.inset, scenes.pasted)
}
DOCUMENT: Mapping[str, Edit] = {
    edit.__name__: edit
    for edit in (
        documents.scroll, documents.rerender, documents.dark_mode, documents.redact, documents.highlight,
        documents.rescan,
    )
}  # fmt: skip
"""Edits of screens and documents, which photographs do not suffer."""
NAMES = (*ONE_PICTURE, *TWO_PICTURES)
MAX_SIDE = 900
"""Maximum longest side, in pixels, of the result of `chain`."""


def apply(name: str, picture: Picture, rng: Generator, strength: float = 0.5, other: Picture | None = None) -> Picture:
    """Apply one edit by name, of ``NAMES`` or ``DOCUMENT``, at a strength in 0..1.

    ``blend``, ``inset`` and ``pasted`` need an ``other`` picture.

    The same generator state gives the same result. Raises ``InvalidArgument``.
    """
    return trace(name, picture, rng, strength, other).picture


def trace(name: str, picture: Picture, rng: Generator, strength: float = 0.5, other: Picture | None = None) -> Edited:
    """Like ``apply``, with the geometry."""
    edit = ONE_PICTURE.get(name) or DOCUMENT.get(name)
    if edit is not None:
        return edit(picture, rng, strength)
    if name not in TWO_PICTURES or other is None:
        raise InvalidArgument(
            f"got the edit {name!r} (other picture given: {other is not None}); use one of "
            f"{', '.join((*NAMES, *DOCUMENT))}; {', '.join(TWO_PICTURES)} need another picture"
        )
    return TWO_PICTURES[name](picture, rng, strength, other)


@dataclass(frozen=True)
class Strength:
    """Factors for a chain: ``probability`` scales the probability of every edit, ``magnitude`` its strength."""

    probability: float = 1.0
    magnitude: float = 1.0


def mild(picture: Picture, rng: Generator, strength: Strength = Strength()) -> Picture:
    """Edits of a picture that is only passed on: slight crop, mirror, some colour, JPEG."""
    return trace_mild(picture, rng, strength).picture


def trace_mild(picture: Picture, rng: Generator, strength: Strength = Strength()) -> Edited:
    """Like ``mild``, with the geometry."""
    edited = Edited(picture)
    if rng.random() < 0.8 * strength.probability:
        edited = geometry.crop_share(picture, rng, rng.uniform(0.75, 1), 0.1)
    steps: list[tuple[float, Edit, float]] = [
        (0.3, geometry.flip, 1.0),
        (0.5, degrade.colour, 0.3),
        (0.3, degrade.jpeg, 0.7),
    ]
    return _run(edited, rng, strength, steps)


def names_for(picture: Picture) -> tuple[str, ...]:
    """The names of the edits that a picture may suffer: those of documents if it is drawn, see `documents.is_drawn`."""
    return (*NAMES, *DOCUMENT) if documents.is_drawn(picture) else NAMES


def chain(picture: Picture, rng: Generator, other: Picture, names: Sequence[str] = NAMES) -> Picture:
    """Two to four different edits of medium strength, of these ``names``, in random order."""
    return trace_chain(picture, rng, other, names).picture


def trace_chain(picture: Picture, rng: Generator, other: Picture, names: Sequence[str] = NAMES) -> Edited:
    """Like ``chain``, with the geometry."""
    edited = Edited(picture)
    for number in rng.choice(len(names), int(rng.integers(2, 5)), replace=False):
        edited = edited.then(trace(names[int(number)], edited.picture, rng, float(rng.uniform(0.3, 0.7)), other))
        if max(edited.picture.size) > MAX_SIDE:  # a page within a frame within a page would grow without limit
            edited.picture.thumbnail((MAX_SIDE, MAX_SIDE))
    return edited


def strong(picture: Picture, rng: Generator, others: Sequence[Picture], strength: Strength = Strength()) -> Picture:
    """Edits that try to prevent detection: several edits, in the order in which a person would make them.

    ``others`` are other pictures to blend with or to paste onto; without them, those edits are left out. The
    probabilities come from our pilot study; in a screenshot the picture fills down to 0.08 of the area.
    """
    return trace_strong(picture, rng, others, strength).picture


def trace_strong(
    picture: Picture, rng: Generator, others: Sequence[Picture], strength: Strength = Strength()
) -> Edited:
    """Like ``strong``, with the geometry."""
    edited = Edited(picture)
    if rng.random() < 0.75 * strength.probability:
        area = 1 - 0.75 * strength.magnitude * rng.random()
        edited = geometry.crop_share(picture, rng, area, 0.35 * strength.magnitude)
    steps: list[tuple[float, Edit, float]] = [
        (0.4, geometry.flip, 1.0),
        (0.6, degrade.colour, 0.8),
        (0.12, degrade.grey, 1.0),
        (0.1, _with_random(overlay.blend, others), 1.0),
        (0.08, overlay.stripes, 1.0),
        (0.25, overlay.text, 0.8),
        (0.2, overlay.shapes, 0.8),
        (0.05, _with_random(overlay.inset, others), 0.8),
        (0.36, _one_of((0.55, geometry.rotate, 0.5), (0.12, _any_angle, 1.0), (0.33, geometry.perspective, 0.8)), 1.0),
        (0.14, geometry.turn, 1.0),
        (0.40, _scene(others), 1.0),
        (0.2, _one_of((0.6, degrade.blur, 0.7), (0.4, degrade.pixelate, 0.8)), 1.0),
        (0.08, degrade.noise, 0.7),
        (0.25, _one_of((0.85, degrade.jpeg, 1.0), (0.15, degrade.webp, 1.0)), 1.0),
    ]
    return _run(edited, rng, strength, steps)


def _run(edited: Edited, rng: Generator, strength: Strength, steps: Sequence[tuple[float, Edit, float]]) -> Edited:
    for probability, edit, factor in steps:
        if rng.random() < probability * strength.probability:
            edited = edited.then(edit(edited.picture, rng, factor * strength.magnitude))
    return edited


def _one_of(*choices: tuple[float, Edit, float]) -> Edit:
    def edit(picture: Picture, rng: Generator, strength: float) -> Edited:
        chance = rng.random() * sum(weight for weight, _, _ in choices)
        for weight, chosen, factor in choices:
            chance -= weight
            if chance < 0:
                return chosen(picture, rng, factor * strength)
        return Edited(picture)

    return edit


def _with_random(edit: EditWithOther, others: Sequence[Picture]) -> Edit:
    def chosen(picture: Picture, rng: Generator, strength: float) -> Edited:
        return edit(picture, rng, strength, others[int(rng.integers(0, len(others)))]) if others else Edited(picture)

    return chosen


def _scene(others: Sequence[Picture]) -> Edit:
    return _one_of(
        (0.32, _with_random(scenes.pasted, others), 1.0),
        (0.25, scenes.screenshot, 1.0),
        (0.17, geometry.pad, 1.0),
        (0.13, scenes.frame, 1.0),
        (0.13, scenes.meme, 1.0),
    )


def _any_angle(picture: Picture, rng: Generator, strength: float) -> Edited:
    return geometry.rotate_by(picture, rng, float(rng.uniform(0, 360)))
