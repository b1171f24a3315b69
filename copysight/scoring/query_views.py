"""Make query views: the whole picture, pictures within it, and rotations, depending on the search effort.

A picture within a page, a frame or another picture fills only a part of the query. Each view has its own embedding. An
item's score is the best over the views; views other than the whole picture get a penalty.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.pictures.collage import cells
from copysight.pictures.regions import Region, regions

Floats = npt.NDArray[np.float32]
Effort = Literal["low", "normal", "high"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)
DEFAULT_EFFORT: Effort = "normal"
PENALTY = 0.06
"""Subtracted from the scores of every view but the whole picture: more views find more unrelated, similar pictures."""
NORMAL_SUPPORT, NORMAL_REGIONS, HIGH_REGIONS = 0.7, 2, 4
"""Normal effort takes at most 2 regions, with a support of at least 0.7; high effort takes at most 4 regions."""
NORMAL_CELLS = 9
"""Normal effort takes the cells of a collage of at most 9 pictures instead of regions; high effort, up to 16 cells."""
TYPICAL_VIEWS: dict[Effort, int] = {"low": 1, "normal": 2, "high": 8}
"""Typical number of views of a picture, for planning."""
ROTATIONS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class QueryView:
    """One view of a query: the picture, a ``region`` of it, or the picture rotated anticlockwise by ``turn`` degrees.

    ``effort`` is the lowest effort that includes this view.
    """

    pixels: Image.Image
    effort: Effort = "low"
    region: Region | None = None
    turn: int = 0

    @property
    def penalty(self) -> float:
        """What is subtracted from the scores of this view."""
        return 0.0 if self.region is None and self.turn == 0 else PENALTY

    def where(self) -> dict[str, Any] | None:
        """Region (left, top, right, bottom, as shares of the sides) and turn, for JSON; None for the whole picture."""
        if self.region is None:
            return {"region": None, "turn": self.turn} if self.turn else None
        box = self.region
        return {"region": [round(side, 4) for side in (box.left, box.top, box.right, box.bottom)], "turn": self.turn}


def views_of(picture: Image.Image, effort: Effort = DEFAULT_EFFORT) -> list[QueryView]:
    """Make the views of an RGB picture, the whole picture first.

    Low effort: 1 view. Normal: also the best regions (1 to 3 views) or the cells of a collage (4 to 10 views). High:
    more regions or cells, and rotations (4 to 20 views).
    """
    found = [QueryView(picture)]
    if effort == "low":
        return found
    parts = cells(picture)
    needed: Effort = "normal" if len(parts) <= NORMAL_CELLS else "high"
    found += [QueryView(cell.crop(picture), needed, cell) for cell in parts]
    for rank, region in enumerate(() if parts else regions(picture, HIGH_REGIONS)):
        found.append(QueryView(region.crop(picture), _min_effort(rank, region), region))
    found += [QueryView(picture.transpose(how), "high", turn=turn) for turn, how in ROTATIONS.items()]
    return [view for view in found if is_included(view, effort)]


def is_included(view: QueryView, effort: Effort) -> bool:
    """Whether a search with ``effort`` uses this view."""
    return EFFORTS.index(view.effort) <= EFFORTS.index(effort)


def effort_of(text: str) -> Effort:
    """Convert a name to an effort. Raises ``InvalidArgument``."""
    for effort in EFFORTS:
        if text == effort:
            return effort
    raise InvalidArgument(f"got effort = {text!r}; use one of {', '.join(EFFORTS)}")


def best_per_query(scores: Floats, owners: npt.NDArray[np.int64], count: int) -> Floats:
    """Maximum over each query's views: (count, ...) from ``scores`` (V, ...); ``owners`` (V,) are the query numbers."""
    out = np.full((count, *scores.shape[1:]), -np.inf, np.float32)
    np.maximum.at(out, owners, scores)
    return out


def _min_effort(rank: int, region: Region) -> Effort:
    return "normal" if rank < NORMAL_REGIONS and region.support >= NORMAL_SUPPORT else "high"
