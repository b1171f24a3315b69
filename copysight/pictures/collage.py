"""Find the cells of a collage: several pictures side by side, divided by straight lines from side to side.

Columns and rows of edge pixels that cross the whole picture are cuts. Cuts in both directions make a grid. Cuts in one
direction make strips, which are divided further by cuts of their own. The method is our own; its constants were chosen
on photographs that are in no benchmark (docs/notes/copy-detection.md).
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.pictures.regions import Mask, Region, edges_of, is_plain, reduced, widened

MIN_CROSSING, MIN_STRIP = 0.75, 0.95
"""Minimum share of edge pixels along a cut: if there are cuts in both directions, and if not."""
MIN_CELL, MAX_GUTTER = 0.12, 0.06
"""Minimum side of a cell and maximum space between two cells, as shares of the picture's side."""
MIN_CELLS, MAX_CELLS = 3, 16
"""Two parts are more often sky and ground than two pictures; more than 16 are a pattern."""
MIN_SUPPORT = 0.85
"""Minimum share of edge pixels along the inner sides of all cells. Of 900 photographs, 15 reach it."""
MAX_PLAIN_CELLS = 1 / 3

Span = tuple[int, int]
Box = tuple[int, int, int, int]
Profile = npt.NDArray[np.float64]


def cells(picture: Image.Image) -> list[Region]:
    """The cells of an RGB picture, row by row; empty if it is no collage of 3 to 16 pictures."""
    pixels = reduced(picture)
    height, width = pixels.shape[:2]
    vertical, horizontal = widened(edges_of(pixels)), widened(edges_of(pixels.transpose(1, 0, 2))).T
    boxes = list(_divide(vertical, horizontal))
    if not MIN_CELLS <= len(boxes) <= MAX_CELLS:
        return []
    support = _support(boxes, vertical, horizontal)
    plain = sum(is_plain(pixels, np.asarray(box)) for box in boxes)
    if support < MIN_SUPPORT or plain > MAX_PLAIN_CELLS * len(boxes):
        return []
    return [
        Region(left / width, top / height, right / width, bottom / height, support)
        for left, top, right, bottom in boxes
    ]


def _divide(vertical: Mask, horizontal: Mask) -> Iterator[Box]:
    """Boxes (left, top, right, bottom). ``vertical`` (rows, columns + 1), ``horizontal`` (rows + 1, columns): edges."""
    across, down = vertical.mean(axis=0), horizontal.mean(axis=1)
    columns, rows = _spans(across, MIN_CROSSING), _spans(down, MIN_CROSSING)
    if len(columns) > 1 and len(rows) > 1:
        yield from ((left, top, right, bottom) for top, bottom in rows for left, right in columns)
        return
    columns, rows = _spans(across, MIN_STRIP), _spans(down, MIN_STRIP)
    if len(rows) > 1:
        for top, bottom in rows:
            inner = _spans(vertical[top:bottom].mean(axis=0), MIN_STRIP)
            yield from ((left, top, right, bottom) for left, right in inner)
    elif len(columns) > 1:
        for left, right in columns:
            inner = _spans(horizontal[:, left:right].mean(axis=1), MIN_STRIP)
            yield from ((left, top, right, bottom) for top, bottom in inner)


def _spans(profile: Profile, least: float) -> list[Span]:
    """Parts of a side between its cuts; ``profile`` (length + 1,) is the share of edge pixels at each place.

    The strongest places become cuts first. Two cuts are a cell apart, or no more than a gutter.
    """
    length = len(profile) - 1
    cuts = [0, length]
    for place in np.argsort(-profile, kind="stable").tolist():
        if profile[place] < least:
            break
        distances = [abs(place - cut) for cut in cuts]
        if all(distance <= MAX_GUTTER * length or distance >= MIN_CELL * length for distance in distances):
            cuts.append(place)
    cuts.sort()
    return [(start, end) for start, end in pairwise(cuts) if end - start >= MIN_CELL * length]


def _support(boxes: list[Box], vertical: Mask, horizontal: Mask) -> float:
    """Mean share of edge pixels along the sides of the boxes that are not the picture's own."""
    bottom_row, right_column = horizontal.shape[0] - 1, vertical.shape[1] - 1
    shares = [
        share
        for left, top, right, bottom in boxes
        for share in (
            *(vertical[top:bottom, x].mean() for x in (left, right) if 0 < x < right_column),
            *(horizontal[y, left:right].mean() for y in (top, bottom) if 0 < y < bottom_row),
        )
    ]
    return float(np.mean(shares))
