"""How hard to look at a picture that is asked for: whole, at the pictures within it, turned.

A picture that was put into a page, a frame or another picture fills only a part of the query. Each look has its own
embedding, and an item's score is the best over the views, less a handicap for those that were guessed.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.pictures.regions import Region, regions

Floats = npt.NDArray[np.float32]
Effort = Literal["low", "normal", "high"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)
USUAL: Effort = "normal"
PENALTY = 0.06
"""Taken from the scores of every look but the whole picture: more looks find more strangers that happen to be alike."""
SURE, FEW, MANY = 0.7, 2, 4
"""Support from which on a region is looked at with normal effort, and how many are with normal and with high effort."""
TYPICAL: dict[Effort, int] = {"low": 1, "normal": 2, "high": 8}
"""How many looks a picture takes, for whoever plans."""
TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class QueryView:
    """What the model is shown: the picture, a ``region`` of it, or the picture turned by ``turn`` degrees to the left.

    ``effort`` is the least with which this is looked at.
    """

    pixels: Image.Image
    effort: Effort = "low"
    region: Region | None = None
    turn: int = 0

    @property
    def penalty(self) -> float:
        """What is taken from this look's scores."""
        return 0.0 if self.region is None and self.turn == 0 else PENALTY

    def where(self) -> dict[str, Any] | None:
        """As plain data, the region as left, top, right, bottom in shares of the sides; None for the whole picture."""
        if self.region is None:
            return {"region": None, "turn": self.turn} if self.turn else None
        box = self.region
        return {"region": [round(side, 4) for side in (box.left, box.top, box.right, box.bottom)], "turn": self.turn}


def views_of(picture: Image.Image, effort: Effort = USUAL) -> list[QueryView]:
    """The whole RGB picture first; normal: sure regions; high: more regions and quarter turns. 1, 1-3, 4-8 views."""
    found = [QueryView(picture)]
    if effort == "low":
        return found
    for place, region in enumerate(regions(picture, MANY)):
        found.append(QueryView(region.crop(picture), _least(place, region), region))
    found += [QueryView(picture.transpose(how), "high", turn=turn) for turn, how in TURNS.items()]
    return [view for view in found if within(view, effort)]


def within(view: QueryView, effort: Effort) -> bool:
    """Whether an effort includes a look."""
    return EFFORTS.index(view.effort) <= EFFORTS.index(effort)


def effort_of(text: str) -> Effort:
    """An effort by its name. Raises ``InvalidArgument``."""
    for effort in EFFORTS:
        if text == effort:
            return effort
    raise InvalidArgument(f"got effort = {text!r}; needed is one of {', '.join(EFFORTS)}")


def best(scores: Floats, owners: npt.NDArray[np.int64], count: int) -> Floats:
    """The best over each query's views: scores (L, ...), of looks that belong to ``owners`` (L,), to (count, ...)."""
    out = np.full((count, *scores.shape[1:]), -np.inf, np.float32)
    np.maximum.at(out, owners, scores)
    return out


def _least(place: int, region: Region) -> Effort:
    return "normal" if place < FEW and region.support >= SURE else "high"
