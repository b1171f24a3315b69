"""A page that is being drawn by program, and random words, names and numbers to fill it."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from copysight.pictures.edits.overlay import font

Picture = Image.Image
Colour = tuple[int, int, int]
INK, GREY, PALE, WHITE = (25, 28, 34), (120, 124, 132), (228, 231, 236), (255, 255, 255)
SYLLABLES = (
    "ba", "de", "ki", "lo", "mu", "ran", "sel", "tor", "vin", "gar", "mon", "pel", "shi", "tra", "ul", "wen", "zo",
    "cha", "fir", "dap", "les", "nor", "qui", "hem",
)  # fmt: skip


class Sheet:
    """A page that is being drawn: ``picture``, and short forms for what all templates draw."""

    def __init__(self, width: int, height: int, ground: Colour = WHITE) -> None:
        self.picture = Image.new("RGB", (width, height), ground)
        self._draw = ImageDraw.Draw(self.picture)

    def text(self, x: float, y: float, words: str, size: int = 12, ink: Colour = INK, anchor: str = "la") -> None:
        """Write one line."""
        self._draw.text((x, y), words, fill=ink, font=font(size), anchor=anchor)

    def box(
        self, x: float, y: float, width: float, height: float, fill: Colour | None = None, edge: Colour | None = GREY
    ) -> None:
        """Draw a rectangle."""
        self._draw.rectangle((x, y, x + width, y + height), fill=fill, outline=edge)

    def line(self, x: float, y: float, width: float, ink: Colour = GREY) -> None:
        """Draw a horizontal line."""
        self._draw.line((x, y, x + width, y), fill=ink)

    def disc(self, x: float, y: float, side: float, fill: Colour) -> None:
        """Draw a disc in a square."""
        self._draw.ellipse((x, y, x + side, y + side), fill=fill)

    def photograph(
        self, rng: Generator, photographs: Sequence[Picture], x: int, y: int, width: int, height: int
    ) -> None:
        """Put one of the photographs into a box, or coarse noise."""
        if photographs:
            found = photographs[int(rng.integers(0, len(photographs)))]
        else:
            found = Image.fromarray(rng.integers(0, 256, (7, 6, 3), dtype=np.uint8))
        self.picture.paste(found.resize((width, height), Image.Resampling.BICUBIC), (x, y))


def word(rng: Generator) -> str:
    """A word of one to three syllables."""
    return "".join(SYLLABLES[int(number)] for number in rng.integers(0, len(SYLLABLES), int(rng.integers(1, 4))))


def words(rng: Generator, least: int, most: int) -> str:
    """So many words, the first with a capital."""
    return " ".join(word(rng) for _ in range(int(rng.integers(least, most + 1)))).capitalize()


def name(rng: Generator) -> str:
    """First and last name."""
    return f"{word(rng)} {word(rng)}n".title()


def amount(rng: Generator, most: int = 5000) -> str:
    """A number with two decimals."""
    return f"{rng.uniform(1, most):,.2f}"


def date(rng: Generator) -> str:
    """A day."""
    return f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.20{rng.integers(10, 27)}"
