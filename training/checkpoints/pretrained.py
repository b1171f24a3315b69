"""Start a training from pretrained weights: a backbone to imitate, or weights to begin with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from copysight.errors import CheckpointMismatch
from training.checkpoints import sources
from training.checkpoints.sources import Source
from training.checkpoints.state_dicts import COUNTER, listed
from training.networks import backbones
from training.networks.fixed_size import resized_positions
from training.networks.hybrids import STEM, stem_of
from training.networks.timm_networks import name_of


def backbone(source: Path) -> nn.Module:
    """The backbone, pictures (B, 3, S, S) to features (B, D), of a source as in ``sources``.

    Raises ``CheckpointMismatch`` if the weights cannot be read, or if a bundle's graphs do not hold all of them.
    """
    found = sources.read(str(source))
    if found.backbone is None:
        raise CheckpointMismatch(f"{source} does not say of which network its weights are; give a run or a bundle")
    network = backbones.build(found.backbone, found.image_size or backbones.DEFAULT_SIZE)
    network.load_state_dict(_matched(str(source), found, network).state)
    return network


def origin(source: Path) -> dict[str, str]:
    """Name, kind and licence of the weights of a source, for the record of a training that starts from them."""
    return _origin(str(source), sources.read(str(source)))


def _origin(source: str, found: Source) -> dict[str, str]:
    # The name alone: a path says something about a machine.
    name = source if source.startswith(sources.TIMM) else Path(source).name
    return {"source": name, "kind": found.kind, "licence": found.licence}


@dataclass(frozen=True)
class Initial:
    """Weights to begin a training with, matched to its backbone, and what was done with the source.

    ``state``: all tensors of the backbone, of which ``loaded`` come from the source; counters of BatchNorm, which may
    be missing, do not count. ``rest``: the other tensors of the source; ``head`` names those that the method took.
    ``origin``: name, kind and licence of the source.
    """

    source: str
    kind: str
    state: Mapping[str, Tensor]
    loaded: int
    resized: str
    rest: Mapping[str, Tensor]
    origin: Mapping[str, str]
    head: tuple[str, ...] = ()

    def with_head(self, names: Sequence[str]) -> "Initial":
        """The same, with the names of the tensors of ``rest`` that the method took."""
        return replace(self, head=tuple(names))

    @property
    def left_out(self) -> list[str]:
        """Names of the tensors of the source that nothing was done with."""
        return [name for name in self.rest if name not in self.head]

    def lines(self) -> list[str]:
        """What was loaded and what not, for the log."""
        head = f"; beside it {', '.join(self.head)}" if self.head else "; the head starts from random weights"
        resized = f"; {self.resized}" if self.resized else ""
        first = f"{self.source}, {self.kind}: all {self.loaded} tensors of the backbone{resized}{head}"
        return [first, *([f"not loaded: {listed(self.left_out)}"] if self.left_out else [])]

    def to_json(self) -> dict[str, Any]:
        """The same as data."""
        counts = {"loaded": self.loaded, "resized": self.resized, "head": self.head, "not_loaded": self.left_out}
        return {"source": self.source, "source_kind": self.kind, **counts}


def initial(source: str, network: nn.Module) -> Initial:
    """Weights of a source for the backbone ``network``, whose values do not matter.

    Every tensor must be there; positions of a ViT are resized. The stem of a hybrid may come from its own network; the
    other tensors then keep their values. Raises ``CheckpointMismatch``, which names the tensors that are missing or of
    another shape, or the other network.
    """
    found = sources.read(source, network.state_dict())
    of_stem = stem_of(network) is not None and found.backbone == stem_of(network)
    return _stem(source, found, network) if of_stem else _matched(source, found, network)


def _stem(source: str, found: Source, hybrid: nn.Module) -> Initial:
    named = {STEM + name: value for name, value in found.state.items()}
    kept = {name: value for name, value in hybrid.state_dict().items() if not name.startswith(STEM)}
    whole = _matched(source, replace(found, state={**kept, **named}), hybrid)
    loaded = sum(not name.endswith(COUNTER) for name in whole.state if name in named)
    return replace(whole, kind=f"{found.kind}, for the stem", loaded=loaded)


def _matched(source: str, found: Source, network: nn.Module) -> Initial:
    wanted = network.state_dict()
    state, resized = _with_positions(found, network)
    missing = [name for name in wanted if name not in state and not name.endswith(COUNTER)]
    reshaped = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if missing or reshaped:
        raise CheckpointMismatch(_mismatch(source, found, network, missing, reshaped))
    rest = {**found.rest, **{name: value for name, value in state.items() if name not in wanted}}
    loaded = {name: value for name, value in state.items() if name in wanted}
    count = sum(not name.endswith(COUNTER) for name in loaded)
    return Initial(source, found.kind, {**wanted, **loaded}, count, resized, rest, _origin(source, found))


def _mismatch(source: str, found: Source, network: nn.Module, missing: Sequence[str], reshaped: Sequence[str]) -> str:
    name = name_of(network)
    if found.backbone not in {None, name}:
        return f"{source} holds a {found.backbone} ({found.kind}), not a {name}; use --backbone {found.backbone}"
    return (
        f"{source} ({found.kind}) does not fit {name}: missing {listed(missing)}, of another shape {listed(reshaped)}; "
        "give the weights of this backbone"
    )


def _with_positions(found: Source, network: nn.Module) -> tuple[dict[str, Tensor], str]:
    """The tensors, with the positions of a ViT resized to the grid of ``network``; and what was resized."""
    state = dict(found.state)
    table = state.get("pos_embed")
    if table is None or not isinstance(network, VisionTransformer) or network.pos_embed is None:
        return state, ""
    leading = network.pos_embed.shape[1] - network.patch_embed.num_patches
    before, grid = _grid(found, network, table.shape[1] - leading), tuple(network.patch_embed.grid_size)
    if before in {None, grid}:
        return state, ""
    state["pos_embed"] = resized_positions(table, before, grid)
    return state, f"positions resized from {before[0]} x {before[1]} to {grid[0]} x {grid[1]}"


def _grid(found: Source, network: VisionTransformer, places: int) -> tuple[int, int] | None:
    """Rows and columns of a source's positions: those of its rectangle, if it says one, else those of a square."""
    if isinstance(found.image_size, int) or found.image_size is None:
        rows = columns = round(places**0.5)
    else:
        rows, columns = (side // (backbones.patch_side(network) or 1) for side in found.image_size)
    return (rows, columns) if rows * columns == places else None
