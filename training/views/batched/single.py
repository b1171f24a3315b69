"""Plan single edits of a view: each function draws the random numbers of the edit of that name in their order."""

import math
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from PIL import Image

from copysight.pictures.edits import degrade, geometry
from training.views.batched.jpeg import like_webp
from training.views.batched.planned import GREY, TINTED, Inset, Scene, Stripes, View

MIN_SIDE = geometry.MIN_SIDE


def flip(view: View, _: Generator, __: float) -> View:
    """Plan ``geometry.flip``."""
    return replace(view, flip=True)


def colour(view: View, rng: Generator, strength: float) -> View:
    """Plan ``degrade.colour``."""
    return replace(view, colour=degrade.colour_matrix(rng, strength))


def grey(view: View, rng: Generator, _: float) -> View:
    """Plan ``degrade.grey``."""
    return replace(view, grey=GREY if rng.random() < 0.8 else TINTED)


def blend(view: View, rng: Generator, strength: float, other: int) -> View:
    """Plan ``overlay.blend``."""
    return replace(view, blend=(other, 0.5 * strength * rng.uniform(0.3, 1)))


def stripes(view: View, rng: Generator, strength: float) -> View:
    """Plan ``overlay.stripes``."""
    count = int(rng.integers(2, 9))
    upright = bool(rng.random() < 0.5)
    side = view.size[0] if upright else view.size[1]
    thick = max(1, round(side / count * 0.35 * strength * rng.uniform(0.4, 1)))
    starts = np.linspace(0, side - thick, count).astype(int).tolist()
    return replace(view, stripes=Stripes(tuple(starts), thick, upright, geometry.fill_colour(rng)))


def inset(view: View, rng: Generator, strength: float, other: int) -> View:
    """Plan ``overlay.inset``."""
    side = math.sqrt(rng.uniform(0.04, 0.06 + 0.34 * strength))
    width, height = (max(4, round(length * side)) for length in view.size)
    x, y = (int(rng.integers(0, all_ - part + 1)) for all_, part in zip(view.size, (width, height), strict=True))
    return replace(view, inset=Inset(other, (width, height), (x, y)))


def rotate(view: View, rng: Generator, strength: float) -> View:
    """Plan ``geometry.rotate``."""
    angle = rng.choice([-1, 1]) * rng.uniform(3, 3 + 42 * strength)
    return rotated(view, rng, float(angle))


def any_angle(view: View, rng: Generator, _: float) -> View:
    """Plan a rotation by any angle."""
    return rotated(view, rng, float(rng.uniform(0, 360)))


def rotated(view: View, rng: Generator, angle: float) -> View:
    """Plan ``geometry.rotate_by``."""
    width, height = view.size
    if rng.random() < 0.5:
        size = _expanded(view.size, angle) if rng.random() < 0.5 else view.size
        return replace(view.moved(_rotation(view.size, size, angle), size), fill=geometry.fill_colour(rng))
    radians = math.radians(abs(angle) % 90)
    shrink = 1 / (math.cos(radians) + math.sin(radians) * max(view.size) / min(view.size))
    inner = [max(MIN_SIDE, round(side * shrink)) for side in view.size]
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    return view.moved(_rotation(view.size, view.size, angle), view.size).within(
        (left, top, left + inner[0], top + inner[1])
    )


def perspective(view: View, rng: Generator, strength: float) -> View:
    """Plan ``geometry.perspective``."""
    width, height = view.size
    inward = rng.uniform(0, 0.3 * strength + 1e-6, (4, 2)) * (width, height)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    signs = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)], float)
    back = np.reshape([*geometry.homography(corners + signs * inward, corners), 1.0], (3, 3))
    return replace(view.moved(back, view.size), fill=geometry.fill_colour(rng))


def turn(view: View, rng: Generator, _: float) -> View:
    """Plan ``geometry.turn``."""
    how = (
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_180,
        Image.Transpose.ROTATE_270,
        Image.Transpose.FLIP_TOP_BOTTOM,
    )
    return view.turned(how[int(rng.integers(0, len(how)))])


def pasted(view: View, rng: Generator, strength: float, other: int) -> View:
    """Plan ``scenes.pasted``."""
    share = math.sqrt(0.8 - 0.6 * strength * rng.uniform(0.2, 1))
    size = (round(view.size[0] / share), round(view.size[1] / share))
    x, y = (int(rng.integers(0, all_ - part + 1)) for all_, part in zip(size, view.size, strict=True))
    return view.placed(size, (x, y), Scene(other=other))


def pad(view: View, rng: Generator, strength: float) -> View:
    """Plan ``geometry.pad``."""
    share = strength * rng.uniform(0.1, 0.5)
    across, along = round(view.size[0] * share / 2), round(view.size[1] * share / 2)
    if rng.random() < 0.6:
        across, along = (across, 0) if rng.random() < 0.5 else (0, along)
    size = (view.size[0] + 2 * across, view.size[1] + 2 * along)
    return view.placed(size, (across, along), Scene(fill=geometry.fill_colour(rng)))


def frame(view: View, rng: Generator, strength: float) -> View:
    """Plan ``scenes.frame``."""
    width = max(1, round(min(view.size) * rng.uniform(0.03, 0.05 + 0.15 * strength)))
    fill, outline = geometry.fill_colour(rng), None
    if rng.random() < 0.5:
        outline = (geometry.fill_colour(rng), max(1, width // 3))
    size = (view.size[0] + 2 * width, view.size[1] + 2 * width)
    return view.placed(size, (width, width), Scene(fill=fill, outline=outline))


def blur(view: View, rng: Generator, strength: float) -> View:
    """Plan ``degrade.blur``."""
    return replace(view, blur=min(view.size) * 0.04 * strength * rng.uniform(0.3, 1))


def pixelate(view: View, rng: Generator, strength: float) -> View:
    """Plan ``degrade.pixelate``."""
    count = 96 - 76 * strength * rng.uniform(0.5, 1)
    factor = min(1.0, count / min(view.size))
    return replace(view, pixelate=(max(8, round(view.size[0] * factor)), max(8, round(view.size[1] * factor))))


def noise(view: View, rng: Generator, strength: float) -> View:
    """Plan ``degrade.noise``."""
    return replace(view, noise=50 * strength * rng.uniform(0.3, 1))


def jpeg(view: View, rng: Generator, strength: float) -> View:
    """Plan ``degrade.jpeg``."""
    return replace(view, jpeg=round(90 - 82 * strength * rng.uniform(0.5, 1)))


def webp_as_jpeg(view: View, rng: Generator, strength: float) -> View:
    """Plan ``degrade.webp`` as the JPEG that changes pixels as much."""
    return replace(view, jpeg=like_webp(round(90 - 85 * strength * rng.uniform(0.5, 1))))


def _turning(angle: float) -> np.ndarray:
    """Linear part (2, 2) of a rotation by ``angle`` degrees against the clock, from its result to its source."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.array([[cos, -sin], [sin, cos]])


def _rotation(before: tuple[int, int], after: tuple[int, int], angle: float) -> np.ndarray:
    linear = _turning(angle)
    offset = np.array(before) / 2 - linear @ (np.array(after) / 2)
    return np.vstack([np.column_stack([linear, offset]), [0.0, 0.0, 1.0]])


def _expanded(size: tuple[int, int], angle: float) -> tuple[int, int]:
    """Width and height of a picture that holds all of a rotated one, as Pillow computes them."""
    width, height = size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float) - np.array(size) / 2
    places = corners @ _turning(angle).T + np.array(size) / 2
    across, along = (math.ceil(places[:, axis].max()) - math.floor(places[:, axis].min()) for axis in (0, 1))
    return across, along
