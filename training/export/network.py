"""A trained network that is ready to export."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from copysight.pictures.preprocess import Preprocess
from training.checkpoints.checkpoint import LICENCE


@dataclass(frozen=True)
class Network:
    """A trained network, ready to export: its graph in eval mode, and its entries in the bundle's manifest.

    ``licence`` is that of the weights, ``unknown`` if their source does not say it.
    """

    graph: nn.Module
    preprocess: Preprocess
    name: str
    method: str
    backbone: str
    recipe: str
    temperature: float | None
    training: Mapping[str, Any]
    licence: str = LICENCE

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in the order in which the graph returns them."""
        names: tuple[str, ...] = self.graph.names  # type: ignore[assignment]
        return names
