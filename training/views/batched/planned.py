"""The edits of one view as numbers: what ``batched.render`` applies to many views together."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.pictures.edits.geometry import CORNERS

Matrix = npt.NDArray[np.float64]
Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]
PLAIN, GREY, TINTED = range(3)


@dataclass(frozen=True)
class Stripes:
    """Bars of ``thick`` pixels from each of ``starts``, upright or lying."""

    starts: tuple[int, ...]
    thick: int
    upright: bool
    fill: Colour


@dataclass(frozen=True)
class Inset:
    """Picture ``other``, resized to ``size`` (width, height), at ``spot`` (x, y)."""

    other: int
    size: tuple[int, int]
    spot: tuple[int, int]


@dataclass(frozen=True)
class Scene:
    """What surrounds the picture: picture ``other``, a drawn ``layer``, or a plain ``fill`` with an ``outline``.

    ``outline``: colour and width in pixels of a line that is two pixels away from the border.
    """

    other: int | None = None
    layer: int | None = None
    fill: Colour = (0, 0, 0)
    outline: tuple[Colour, int] | None = None


@dataclass(frozen=True)
class View:
    """Edits in their order, in pixels. ``box`` (left, top, right, bottom) is cut out of picture ``picture`` first.

    ``colour`` (3, 4) maps levels of RGB and 1 to RGB. ``blend``: another picture and its weight. ``text``, ``shapes``:
    numbers of drawn layers. Then the picture is moved: ``matrix`` (3, 3) maps places (x, y, 1) in pixels of the
    result, of ``size`` (width, height), to places of the cut. Outside of ``window`` (a box of the result) lies
    ``scene``; inside, ``fill`` is where the cut has no pixels. At last come ``blur`` (radius in pixels) or
    ``pixelate`` (size in squares), ``noise`` (standard deviation in levels) and ``jpeg`` (quality). ``others``: the
    pictures that may be pasted.
    """

    picture: int
    box: Box
    size: tuple[int, int]
    window: Box
    flip: bool = False
    colour: Matrix | None = None
    grey: int = PLAIN
    blend: tuple[int, float] | None = None
    stripes: Stripes | None = None
    text: int | None = None
    shapes: int | None = None
    inset: Inset | None = None
    matrix: Matrix = field(default_factory=lambda: np.eye(3))
    fill: Colour = (0, 0, 0)
    scene: Scene | None = None
    blur: float = 0.0
    pixelate: tuple[int, int] | None = None
    noise: float = 0.0
    jpeg: int | None = None
    others: tuple[int, ...] = ()

    @property
    def cut(self) -> tuple[int, int]:
        """Width and height of the part that is cut out."""
        left, top, right, bottom = self.box
        return right - left, bottom - top

    def moved(self, matrix: Matrix, size: tuple[int, int]) -> "View":
        """The view after a move by a matrix (3, 3) from places of its result, of ``size``, to places of this one."""
        return replace(self, matrix=self.matrix @ matrix, size=size, window=(0, 0, *size))

    def within(self, box: Box) -> "View":
        """The part in a box."""
        left, top, right, bottom = box
        return self.moved(_shift(left, top), (right - left, bottom - top))

    def turned(self, how: Image.Transpose) -> "View":
        """Transposed as Pillow does it."""
        origin, right, down = np.array(CORNERS[how], float)
        step = np.vstack([np.column_stack([right - origin, down - origin, origin]), [0.0, 0.0, 1.0]])
        width, height = self.size
        size = (height, width) if abs(step[0, 1]) > 0.5 else (width, height)
        shares = np.diag([width, height, 1.0]) @ np.linalg.inv(step) @ np.diag([1 / size[0], 1 / size[1], 1])
        return self.moved(shares, size)

    def placed(self, size: tuple[int, int], spot: tuple[int, int], scene: Scene) -> "View":
        """The picture at ``spot`` (x, y) of a scene of ``size``. A picture has one scene at most."""
        (width, height), (x, y) = self.size, spot
        placed = replace(self, matrix=self.matrix @ _shift(-x, -y), size=size, scene=scene)
        return replace(placed, window=(x, y, x + width, y + height))


def whole(picture: int, size: tuple[int, int]) -> View:
    """A view of a picture of ``size`` (width, height) without edits."""
    return View(picture, (0, 0, *size), size, (0, 0, *size))


def cut(view: View, box: Box) -> View:
    """The part of a picture in a box, before all other edits."""
    size = (box[2] - box[0], box[3] - box[1])
    return replace(view, box=box, size=size, window=(0, 0, *size))


def _shift(x: float, y: float) -> Matrix:
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])
