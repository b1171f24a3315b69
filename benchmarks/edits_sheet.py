"""Draw a contact sheet of all edits on a freely licensed photograph.

python -m benchmarks.edits_sheet docs/images/edits.jpg
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from skimage import data

from copysight.pictures import edits

SIDE, COLUMNS, LABEL = 150, 7, 16


def main() -> None:
    """Write the sheet to the given path."""
    picture, other = (Image.fromarray(array).resize((300, 300)) for array in (data.astronaut(), data.coffee()))
    cells = [("original", picture)]
    for number, name in enumerate((*edits.NAMES, *edits.DOCUMENT)):
        cells.append((name, edits.apply(name, picture, np.random.default_rng(number), 0.6, other)))
    cells.append(("mild chain", edits.mild(picture, np.random.default_rng(2))))
    cells += [(f"strong chain {n}", edits.strong(picture, np.random.default_rng(n), [other])) for n in (5, 8)]
    sheet(cells).save(Path(sys.argv[1]), quality=82)


def sheet(cells: list[tuple[str, Image.Image]]) -> Image.Image:
    """Draw named pictures in rows, each in a square with its name below."""
    rows = -(-len(cells) // COLUMNS)
    out = Image.new("RGB", (COLUMNS * SIDE, rows * (SIDE + LABEL)), "white")
    draw = ImageDraw.Draw(out)
    for number, (name, picture) in enumerate(cells):
        small = picture.copy()
        small.thumbnail((SIDE - 6, SIDE - 6))
        left, top = number % COLUMNS * SIDE, number // COLUMNS * (SIDE + LABEL)
        out.paste(small, (left + (SIDE - small.width) // 2, top + (SIDE - small.height) // 2))
        draw.text((left + SIDE / 2, top + SIDE), name, fill="black", anchor="ma")
    return out


if __name__ == "__main__":
    main()
