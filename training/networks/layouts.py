"""Where the channels, the places and the [CLS] token are in what ``forward_features`` of a timm network returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import Size, in_words, sides
from training.networks.input_sizes import ERRORS, in_eval
from training.networks.timm_networks import first_line, name_of


@dataclass(frozen=True)
class Layout:
    """Layout of the last features of a network at one input size.

    Tokens: (B, prefix + rows * columns, D), [CLS] first if ``cls``. Maps: (B, D, rows, columns), or with
    ``channels_last`` (B, rows, columns, D). ``width`` is D.
    """

    tokens: bool
    channels_last: bool
    prefix: int
    cls: bool
    rows: int
    columns: int
    width: int

    def patches(self, features: Tensor) -> Tensor:
        """The features of each place, (B, rows * columns, D), without the tokens before them."""
        if self.tokens:
            return features[:, self.prefix :]
        return features.flatten(1, 2) if self.channels_last else features.flatten(2).transpose(1, 2)


def read(network: nn.Module, size: Size) -> Layout:
    """Layout at ``size``, found by a forward pass.

    The number of channels is the network's ``num_features``; the places are those of ``forward_intermediates``, which
    timm promises as (B, D, rows, columns), or of ``num_prefix_tokens``. Raises ``InvalidArgument`` if the network
    returns several maps, no map, or one whose channels cannot be told from its places.
    """
    features = _features(network, size)
    if isinstance(features, Tensor) and features.ndim == 4:
        return _map(network, tuple(features.shape[1:]))
    if isinstance(features, Tensor) and features.ndim == 3:
        return _tokens(network, tuple(features.shape[1:]), size)
    kinds = f"{len(features)} outputs" if isinstance(features, Sequence) else "no map of places"
    raise _refused(network, f"its last features are {kinds}")


def has_cls(network: nn.Module) -> bool:
    """Whether the first token of the network is a [CLS] token."""
    return getattr(network, "cls_token", None) is not None


def _map(network: nn.Module, shape: tuple[int, ...]) -> Layout:
    width = int(network.num_features)  # type: ignore[arg-type]
    first, last = shape[0] == width, shape[2] == width
    if first and last:
        last = "NHWC" in str(getattr(network, "output_fmt", ""))
        first = not last
    if not first and not last:
        raise _refused(network, f"its last map is {shape}, and none of its sides is its {width} channels")
    rows, columns = (shape[0], shape[1]) if last else (shape[1], shape[2])
    return Layout(False, last, 0, False, rows, columns, width)


def _tokens(network: nn.Module, shape: tuple[int, ...], size: Size) -> Layout:
    count, width = shape
    grid = _grid(network, size)
    known = getattr(network, "num_prefix_tokens", None)
    prefix = known if isinstance(known, int) else count - grid[0] * grid[1]
    if width != int(network.num_features) or prefix < 0 or count != prefix + grid[0] * grid[1]:  # type: ignore[arg-type]
        raise _refused(network, f"its last features are {count} tokens for {grid[0]} x {grid[1]} places")
    return Layout(True, False, prefix, has_cls(network) and prefix > 0, *grid, width)


def _grid(network: nn.Module, size: Size) -> tuple[int, int]:
    """Rows and columns of the last intermediate map, as timm gives it: (B, D, rows, columns)."""
    passing: Any = getattr(network, "forward_intermediates", None)
    if passing is None:
        raise _refused(network, "timm does not say where its places are")
    with in_eval(network):
        last = passing(torch.zeros(1, 3, *sides(size)), indices=1, intermediates_only=True)[-1]
    return int(last.shape[2]), int(last.shape[3])


def _features(network: nn.Module, size: Size) -> Any:
    try:
        with in_eval(network):
            return network.forward_features(torch.zeros(1, 3, *sides(size)))  # type: ignore[operator]
    except ERRORS as error:
        raise _refused(network, f"it gives no features at {in_words(size)} px ({first_line(error)})") from error


def _refused(network: nn.Module, reason: str) -> InvalidArgument:
    return InvalidArgument(
        f"{name_of(network)} has no [CLS] token and no patches to take: {reason}; use the network's own pooling "
        "(--recipe pool)"
    )
