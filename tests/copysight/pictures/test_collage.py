"""Cells of collages of drawn pictures, and pictures that are no collage."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from copysight.pictures.collage import cells


def textured(seed):
    """A smooth random picture: many colours, as photographs have."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return coarse.resize((160, 120), Image.Resampling.BICUBIC)


def collage(drawn, rows, columns, gutter=0, seed=0, size=(640, 520)):
    """A grid of pictures made by ``drawn``, and the boxes of its cells as shares of the sides."""
    sheet, boxes = Image.new("RGB", size, "white"), []
    for row in range(rows):
        for column in range(columns):
            left, right = (round(size[0] * part / columns) for part in (column, column + 1))
            top, bottom = (round(size[1] * part / rows) for part in (row, row + 1))
            left, top = left + gutter * (column > 0), top + gutter * (row > 0)
            picture = drawn(seed * 100 + row * columns + column)
            sheet.paste(ImageOps.fit(picture, (right - left, bottom - top)), (left, top))
            boxes.append((left / size[0], top / size[1], right / size[0], bottom / size[1]))
    return sheet, boxes


def overlap(one, other):
    """Intersection over union."""
    shared = np.prod([max(0.0, min(one[i + 2], other[i + 2]) - max(one[i], other[i])) for i in (0, 1)])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


@pytest.mark.parametrize("gutter", [0, 6])
@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 3), (2, 3), (3, 2), (4, 4)])
def test_every_cell_of_a_grid_is_found(rows, columns, gutter):
    sheet, boxes = collage(textured, rows, columns, gutter)
    found = [(cell.left, cell.top, cell.right, cell.bottom) for cell in cells(sheet)]
    assert len(found) == len(boxes)
    assert all(max(overlap(box, one) for one in found) > 0.85 for box in boxes)


@pytest.mark.parametrize("size", [(900, 300), (300, 900)])
def test_a_strip_of_pictures_with_gutters_is_divided(size):
    rows, columns = (1, 3) if size[0] > size[1] else (3, 1)
    assert len(cells(collage(textured, rows, columns, 8, size=size)[0])) == 3


def test_single_pictures_and_plain_tables_are_no_collages(drawn):
    assert sum(bool(cells(drawn(seed))) for seed in range(40)) <= 1
    table = Image.new("RGB", (400, 300), "white")
    for place in range(0, 400, 100):
        table.paste("black", (place, 0, place + 2, 300))
        table.paste("black", (0, place, 400, place + 2))
    assert cells(table) == []
    assert cells(Image.new("RGB", (1, 1))) == []
    assert cells(Image.new("RGB", (3000, 10))) == []
