"""Keep the first stages of a network as they are, while the others are trained."""

from torch import nn

from copysight.errors import InvalidArgument
from training.networks.timm_networks import name_of


def freeze(network: nn.Module, stages: int) -> list[nn.Module]:
    """Freeze the parameters of the first ``stages`` of timm's stages, and of what comes before them.

    The first stage of a ResNet is its stem, that of a ViT its first block. Returns the modules that must stay in eval
    mode, so that their BatchNorm uses stored statistics. Raises ``InvalidArgument`` if no stage would be left to train.
    """
    if not stages:
        return []
    names = [one["module"] for one in getattr(network, "feature_info", ())]
    if stages >= len(names):
        raise InvalidArgument(
            f"got {stages} stages to freeze; {name_of(network)} has {len(names)}, of which one must be trained: lower "
            "--frozen"
        )
    last, frozen, is_inside = names[stages - 1], [], False
    for name, module in network.named_modules():  # in the order of their definition
        is_within = f"{name}.".startswith(f"{last}.")
        if is_inside and not is_within:
            break
        is_inside |= is_within
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
        is_above = not name or last.startswith(f"{name}.")  # it also holds stages that are trained
        if not is_above:
            frozen.append(module)
    return frozen
