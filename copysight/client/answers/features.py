"""Answers about pictures themselves: embeddings, clusters, maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from copysight.client.answers.parsing import Fault, Float, fault, from_json
from copysight.client.errors import Refused


@dataclass(frozen=True)
class Embeddings:
    """The embedding (D,) of each picture, float32 and L2-normalised; a ``Fault`` for one that cannot be used."""

    model: str
    generation: str | None
    dimension: int
    items: Sequence[Float | Fault]

    def array(self) -> Float:
        """All embeddings (N, D). Raises ``Refused`` if a picture could not be used."""
        for place, one in enumerate(self.items):
            if isinstance(one, Fault):
                raise Refused(200, one.code, f"picture {place}: {one.detail}")
        return np.asarray(self.items, np.float32).reshape(-1, self.dimension)


@dataclass(frozen=True)
class Prototype:
    """A prototype of the bundle and its probability."""

    index: int
    probability: float


@dataclass(frozen=True)
class Cluster:
    """A cluster of the collection. ``similarity`` is the cosine of the picture to the cluster's centroid."""

    id: int
    size: int
    similarity: float
    name: str | None


@dataclass(frozen=True)
class Membership:
    """The prototypes and the cluster of a picture. None if the bundle has no prototypes, or the index no clusters."""

    prototypes: Sequence[Prototype] | None
    cluster: Cluster | None


@dataclass(frozen=True)
class Maps:
    """Maps (H, rows, columns) over the part ``box`` (left, top, right, bottom) of the picture.

    ``names`` (H,) are those of the maps, for example ``head 0``; empty from an older server.
    """

    maps: Float
    box: Sequence[float]
    masks: npt.NDArray[np.bool_] | None
    names: Sequence[str] = ()


def embeddings(given: Mapping[str, Any]) -> Embeddings:
    """Parse the response of ``POST /embed``."""
    return from_json(
        Embeddings, given, items=[fault(one) or np.asarray(one["embedding"], np.float32) for one in given["items"]]
    )


def memberships(given: Mapping[str, Any]) -> list[Membership | Fault]:
    """Parse the response of ``POST /clusters``."""
    return [fault(item) or _membership(item) for item in given["items"]]


def maps(given: Mapping[str, Any]) -> list[Maps | Fault]:
    """Parse the response of ``POST /attention``."""
    return [fault(item) or _maps(item) for item in given["items"]]


def _membership(item: Mapping[str, Any]) -> Membership:
    likely, cluster = item["prototypes"], item["cluster"]
    return Membership(
        None if likely is None else [from_json(Prototype, one) for one in likely],
        None if cluster is None else from_json(Cluster, cluster),
    )


def _maps(item: Mapping[str, Any]) -> Maps:
    masks = np.asarray(item["masks"], bool) if "masks" in item else None
    return Maps(np.asarray(item["maps"], np.float32), item["box"], masks, item.get("names", ()))
