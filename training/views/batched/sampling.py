"""Sample the edits of a view with the probabilities and strengths of ``copysight.pictures.edits.chains``.

Random numbers are drawn in the order of that module, so the same generator gives the same edits, up to the first drawn
layer. Nothing here changes pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from numpy.random import Generator

from copysight.pictures.edits import Strength, geometry
from training.views.batched import single
from training.views.batched.layers import Layers
from training.views.batched.planned import Scene, View, cut, whole

Plan = Callable[[View, Generator, float], View]
Steps = Sequence[tuple[float, Plan, float]]


class Sampler:
    """Plans the edits of pictures. ``sizes`` (N, 2) of height and width; ``layers``: what was drawn before."""

    def __init__(self, sizes: Sequence[Sequence[int]], layers: Layers) -> None:
        self._sizes, self._layers, self._steps = sizes, layers, _strong_steps(layers)

    def mild(self, picture: int, rng: Generator, strength: Strength) -> View:
        """Edits of a picture that is only passed on."""
        view = self._start(picture)
        if rng.random() < 0.8 * strength.probability:
            view = cut(view, geometry.random_box(view.size, rng, rng.uniform(0.75, 1), 0.1))
        return _run(view, rng, strength, MILD)

    def strong(self, picture: int, rng: Generator, others: Sequence[int], strength: Strength) -> View:
        """Edits that try to prevent detection; ``others`` are pictures to blend with or to paste onto."""
        view = replace(self._start(picture), others=tuple(others))
        if rng.random() < 0.75 * strength.probability:
            area = 1 - 0.75 * strength.magnitude * rng.random()
            view = cut(view, geometry.random_box(view.size, rng, area, 0.35 * strength.magnitude))
        return _run(view, rng, strength, self._steps)

    def _start(self, picture: int) -> View:
        height, width = self._sizes[picture]
        return whole(picture, (width, height))


MILD: Steps = [(0.3, single.flip, 1.0), (0.5, single.colour, 0.3), (0.3, single.jpeg, 0.7)]


def _strong_steps(layers: Layers) -> Steps:
    def text(view: View, rng: Generator, _: float) -> View:
        return replace(view, text=layers.pick("text", view.size, rng))

    def shapes(view: View, rng: Generator, _: float) -> View:
        return replace(view, shapes=layers.pick("shapes", view.size, rng))

    def drawn(kind: str) -> Plan:
        def scene(view: View, rng: Generator, _: float) -> View:
            layer = layers.pick(kind, view.size, rng)
            return view.placed(*layers.around(layer, view.size), Scene(layer=layer))

        return scene

    moves = _one_of((0.55, single.rotate, 0.5), (0.12, single.any_angle, 1.0), (0.33, single.perspective, 0.8))
    scenes = _one_of(
        (0.32, _with_random(single.pasted), 1.0),
        (0.25, drawn("screenshot"), 1.0),
        (0.17, single.pad, 1.0),
        (0.13, single.frame, 1.0),
        (0.13, drawn("meme"), 1.0),
    )
    return [
        (0.4, single.flip, 1.0),
        (0.6, single.colour, 0.8),
        (0.12, single.grey, 1.0),
        (0.1, _with_random(single.blend), 1.0),
        (0.08, single.stripes, 1.0),
        (0.25, text, 0.8),
        (0.2, shapes, 0.8),
        (0.05, _with_random(single.inset), 0.8),
        (0.36, moves, 1.0),
        (0.14, single.turn, 1.0),
        (0.40, scenes, 1.0),
        (0.2, _one_of((0.6, single.blur, 0.7), (0.4, single.pixelate, 0.8)), 1.0),
        (0.08, single.noise, 0.7),
        (0.25, _one_of((0.85, single.jpeg, 1.0), (0.15, single.webp_as_jpeg, 1.0)), 1.0),
    ]


STRENGTHS = {"text": 0.8, "shapes": 0.8, "meme": 1.0, "screenshot": 1.0}
"""Strengths of the drawn edits in ``strong``."""


def _run(view: View, rng: Generator, strength: Strength, steps: Steps) -> View:
    for probability, edit, factor in steps:
        if rng.random() < probability * strength.probability:
            view = edit(view, rng, factor * strength.magnitude)
    return view


def _one_of(*choices: tuple[float, Plan, float]) -> Plan:
    total = sum(weight for weight, _, _ in choices)

    def edit(view: View, rng: Generator, strength: float) -> View:
        chance = rng.random() * total
        for weight, chosen, factor in choices:
            chance -= weight
            if chance < 0:
                return chosen(view, rng, factor * strength)
        return view

    return edit


def _with_random(edit: Callable[[View, Generator, float, int], View]) -> Plan:
    def chosen(view: View, rng: Generator, strength: float) -> View:
        return edit(view, rng, strength, view.others[int(rng.integers(0, len(view.others)))]) if view.others else view

    return chosen
