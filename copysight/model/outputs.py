"""Describe the outputs of a bundle's graphs: names of graphs, dimensions, grids of places."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Embedding:
    """``embedding (B, dimension)`` float32, L2-normalised; ``recipe`` is ``cls``, ``gem`` or ``cls+gem``."""

    graph: str
    dimension: int
    recipe: str
    whitening: bool


@dataclass(frozen=True)
class Attention:
    """``attention (B, heads, rows, columns)``: [CLS] row of the last block, after softmax, without the [CLS] column."""

    graph: str
    heads: int
    grid: tuple[int, int]


@dataclass(frozen=True)
class Prototypes:
    """``prototypes (B, count)``: logits; probabilities are their softmax after division by ``temperature``."""

    graph: str
    count: int
    temperature: float


@dataclass(frozen=True)
class Activations:
    """``activations (B, count, rows, columns)``: prototype logits at each position of a ResNet's last feature map."""

    graph: str
    count: int
    grid: tuple[int, int]


@dataclass(frozen=True)
class Patches:
    """``patches (B, rows * columns, dimension)``: features of places, by a graph of a fixed size, or of any size.

    ``graph`` gives them at the size of its preprocessing, with ``grid`` rows and columns. If ``any_size`` is not None,
    that graph (it may be the same) gives them for pictures whose height and width are multiples of ``stride`` pixels.
    """

    graph: str
    dimension: int
    grid: tuple[int, int]
    any_size: str | None = None
    stride: int | None = None


@dataclass(frozen=True)
class PlaceGrid:
    """``rows`` x ``columns`` places on a part of the network's input; ``mirrored``: from right to left.

    ``box``: left, top, right, bottom of that part, as shares of the sides.
    """

    rows: int
    columns: int
    box: tuple[float, float, float, float]
    mirrored: bool = False

    @property
    def count(self) -> int:
        """Number of places."""
        return self.rows * self.columns


@dataclass(frozen=True)
class Contributions:
    """``contributions (B, P, D)``: what each place adds to the embedding; their sum over P is the embedding.

    P runs over the places of all ``grids``, in their order, row by row.
    """

    graph: str
    grids: tuple[PlaceGrid, ...]
