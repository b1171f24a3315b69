"""Input sizes of networks: ask a network by a forward pass whether it takes a size, and build it for one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import Size, in_words, sides
from training.networks.timm_networks import create, first_line, name_of

STEPS = (32, 16)
"""Sides that are multiples of these fit most networks."""


def for_size(name: str, network: nn.Module, size: Size) -> nn.Module:
    """``network``, or a random one that timm builds for pictures of ``size`` where the given one refuses them.

    Raises ``InvalidArgument`` if neither takes the size, with sizes that fit.
    """
    own = own_size(network)
    if size == own or refusal(network, size) is None:
        return network
    try:
        built = create(name, img_size=size)
    except (TypeError, InvalidArgument):
        built = network
    if (reason := refusal(built, size)) is None:
        return built
    fitting = [side for side in _near(network, max(sides(size))) if _can_be_built(name, side)]
    raise InvalidArgument(
        f"{name} does not take pictures of {in_words(size)} px ({reason}); sizes that fit: "
        f"{_listed([*fitting, own])} px"
    )


def width(network: nn.Module, sizes: Sequence[Size]) -> int:
    """Number D of features of a forward pass for pictures of each of ``sizes``.

    Raises ``InvalidArgument`` if the network refuses a size, returns no features (B, D), or has another width for it.
    """
    found = {size: _features(network, size, sizes) for size in sizes}
    widths = {features.shape[1] for features in found.values()}
    if len(widths) > 1:
        raise InvalidArgument(
            f"{name_of(network)} gives features of other widths for other sizes of pictures "
            f"({', '.join(f'{features.shape[1]} at {in_words(size)} px' for size, features in found.items())}); use "
            "one size"
        )
    return int(widths.pop())


def own_size(network: nn.Module) -> int:
    """Side in pixels of the pictures that the network was published for; 224 if it says none."""
    config = getattr(network, "pretrained_cfg", {})
    return int(config.get("input_size", (3, 224, 224))[1])


def patch_side(network: nn.Module) -> int | None:
    """Side of a patch of a transformer in pixels; ``None`` if it has no patches. A hybrid's stem is included."""
    embedding = getattr(network, "patch_embed", None)
    if embedding is None or not hasattr(embedding, "patch_size"):
        return None
    ratio = getattr(embedding, "feat_ratio", None)
    if callable(ratio):
        return int(ratio())
    patch = embedding.patch_size
    return int(patch[0] if isinstance(patch, tuple) else patch)


def _features(network: nn.Module, size: Size, others: Sequence[Size]) -> Tensor:
    try:
        with in_eval(network):
            features = network(torch.zeros(2, 3, *sides(size)))
    except ERRORS as error:
        raise InvalidArgument(
            f"{name_of(network)} does not take pictures of {in_words(size)} px ({first_line(error)}); sizes that fit: "
            f"{fitting(network, size, others)} px; local crops can also be left out (--local-crops 0)"
        ) from error
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2:
        got = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise InvalidArgument(
            f"{name_of(network)} gives {got} for 2 pictures, not one row of features each; choose another network"
        )
    return features


ERRORS = (AssertionError, RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError)
"""What networks raise for a picture of a wrong size."""


def check(network: nn.Module, size: tuple[int, int]) -> None:
    """Raise ``InvalidArgument`` if the network does not take pictures of this height and width, with what fits."""
    if (reason := refusal(network, size)) is not None:
        shape = in_words(size[0] if size[0] == size[1] else size)
        raise InvalidArgument(
            f"{name_of(network)} does not take pictures of {shape} px ({reason}); squares that fit: "
            f"{fitting(network, size)} px"
        )


def fitting(network: nn.Module, size: Size, others: Sequence[Size] = ()) -> str:
    """Sizes near ``size`` that the network takes, and those of ``others``, for a message."""
    near = [*(max(sides(other)) for other in others), *_near(network, max(sides(size)))]
    return _listed([side for side in near if refusal(network, side) is None]) or "none near it"


def refusal(network: nn.Module, size: Size) -> str | None:
    """Why the network refuses pictures of this size; ``None`` if it takes them."""
    try:
        with in_eval(network):
            network(torch.zeros(1, 3, *sides(size), device=next(network.parameters()).device))
    except ERRORS as error:
        return first_line(error)
    return None


def _can_be_built(name: str, size: int) -> bool:
    """Whether timm builds the network for this size. Nothing is computed."""
    try:
        with torch.device("meta"):
            return refusal(create(name, img_size=size), size) is None
    except (TypeError, InvalidArgument):
        return False


@contextmanager
def in_eval(network: nn.Module) -> Iterator[None]:
    """Context without gradients in which the network is in eval mode; afterwards each module has its mode again."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _near(network: nn.Module, size: int) -> list[int]:
    """Sides near ``size`` that may fit: multiples of the patch, of 32 and of 16 around it, and the published size."""
    steps = {patch for patch in (patch_side(network), *STEPS) if patch}
    found = {side for step in steps for side in (size // step * step, -(-size // step) * step) if side > 0}
    found |= {own_size(network)}
    return sorted(found - {size}, key=lambda side: (abs(side - size), side))


def _listed(fitting: Sequence[int]) -> str:
    unique = sorted({*fitting[:4]})
    return ", ".join(str(side) for side in unique)
