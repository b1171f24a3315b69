"""Create timm networks without classifier, and check their names."""

from difflib import get_close_matches
from typing import Any

import timm
import torch
from timm.models import get_arch_name
from torch import nn

from copysight.errors import InvalidArgument


def check_name(name: str) -> None:
    """Raise ``InvalidArgument`` for a name that timm does not have, and for one with the tag of published weights."""
    if not timm.is_model(name):
        raise InvalidArgument(
            f"got --backbone {name}, which timm does not have; similar names are: {similar_names(name)}"
        )
    if (plain := without_tag(name)) != name:
        raise InvalidArgument(
            f"got --backbone {name}; a tag names published weights, and a backbone starts from random ones: use "
            f"--backbone {plain} --init timm:{name} to start from them, or --backbone {plain}"
        )


def similar_names(name: str) -> str:
    """Names of timm that look like ``name``, to choose from."""
    return ", ".join(get_close_matches(name, timm.list_models(), n=6)) or "none (see timm.list_models())"


def without_tag(name: str) -> str:
    """The name of a network without the tag of its published weights: resnet10t for resnet10t.c3_in1k."""
    return str(get_arch_name(name))


def name_of(network: nn.Module) -> str:
    """The timm name of a network, without tag."""
    config: Any = getattr(network, "pretrained_cfg", {})
    return str(config.get("architecture") or type(network).__name__)


def create(name: str, **settings: Any) -> nn.Module:
    """A network with random weights and without classifier. Raises ``InvalidArgument`` if timm cannot build it so."""
    try:
        return timm.create_model(name, num_classes=0, **settings)  # type: ignore[no-any-return]
    except (AssertionError, ValueError, RuntimeError, ZeroDivisionError) as error:
        size = f" for {settings['img_size']} px" if "img_size" in settings else ""
        raise InvalidArgument(f"timm cannot build {name}{size} ({first_line(error)}); choose another size") from error


def load_published(name: str) -> nn.Module:
    """A network with published weights, from timm's cache or from where timm fetches them.

    Raises ``InvalidArgument`` if timm does not have the name, or cannot fetch the weights.
    """
    check_known(name)
    try:
        return timm.create_model(name, pretrained=True, num_classes=0)  # type: ignore[no-any-return]
    except (OSError, RuntimeError) as error:
        raise InvalidArgument(
            f"cannot load the weights of timm:{name} ({first_line(error)}); go online once, or use random weights"
        ) from error


def check_known(name: str) -> None:
    """Raise ``InvalidArgument`` if timm does not have ``name``."""
    if not timm.is_model(name):
        raise InvalidArgument(f"got timm:{name}, which timm does not have; similar names are: {similar_names(name)}")


def on_meta(name: str, **settings: Any) -> nn.Module:
    """The network without memory for its weights, to ask for names and shapes."""
    with torch.device("meta"):
        return create(name, **settings)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class if it has no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
