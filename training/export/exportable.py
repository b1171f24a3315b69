"""Load networks to export: runs, released checkpoints and timm networks, as graphs of a fixed size."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from timm.data import resolve_data_config
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import Preprocess, Size, in_words
from training.checkpoints import checkpoint, released
from training.checkpoints.checkpoint import LICENCE, UNKNOWN, Checkpoint
from training.checkpoints.released import Released
from training.export import published
from training.export.network import Network
from training.export.published import IMAGENET_MEAN, IMAGENET_STD, SWAV_STD, centre_crop
from training.networks import backbones, descriptors, layouts, rope_graph
from training.networks.export_graphs import PooledGraph, TokenDescriptor, TransformerGraph
from training.networks.fixed_size import at_size
from training.networks.many_views import ManyViews, standard_views
from training.networks.rope_graph import RopeGraph
from training.networks.timm_networks import check_known, create, load_published, name_of, without_tag

TEMPERATURE = 0.1
"""Softmax temperature for the logits of released heads: that of DINO's student, SwAV and DeepCluster-v2."""
MAX_PROTOTYPES = 4096
"""A head with more prototypes is not exported: DINO's 65,536 would be 64 MB of weights that nobody uses."""
DESCRIPTORS = ("copy", "distil")
"""Methods whose runs hold a descriptor network."""
WITH_CLS, WITHOUT_CLS = ("cls", "gem", "cls+gem", "pool"), ("pool", "gem")
"""Recipes of networks with and without a [CLS] token."""


def load(
    source: str,
    size: Size | None = None,
    recipe: str | None = None,
    random: bool = False,
    views: bool = False,
    method: str | None = None,
    licence: str | None = None,
    power: float | None = None,
) -> Network:
    """Load ``source``: ``timm:NAME``, a run, its checkpoint, or a file of DINO, SwAV, DeepCluster-v2, DINOv2, DINOv3.

    ``size`` in pixels, by default the training size. ``recipe``: by default the network's own pooling, ``cls`` for most
    ViTs. ``random`` gives a timm network random weights, as a baseline. ``views`` averages a copy run's descriptors of
    four views, and ``power`` is the exponent of its generalised mean, by default that of the training. ``method`` and
    ``licence`` say where a file is from. Raises ``InvalidArgument`` or
    ``CheckpointMismatch``.
    """
    network = _load(source, size, recipe, random, views, method, power)
    return network if licence is None else replace(network, licence=licence)


def _load(
    source: str,
    size: Size | None,
    recipe: str | None,
    random: bool,
    views: bool,
    method: str | None,
    power: float | None,
) -> Network:
    path = Path(source)
    if source.startswith("timm:"):
        network = from_timm(source.removeprefix("timm:"), size, recipe, random)
    elif path.is_dir() or checkpoint.is_checkpoint(path):
        saved = checkpoint.load(path)
        if saved.method in DESCRIPTORS:
            return from_descriptor(saved, size, views, power)
        network = from_checkpoint(saved, size, recipe)
    else:
        network = from_released(path, size, recipe, method)
    if power is not None:
        raise InvalidArgument(f"got --power for {source}, which is no run of {' or '.join(DESCRIPTORS)}; omit it")
    return network


def from_timm(name: str, size: Size | None, recipe: str | None, random: bool) -> Network:
    """A timm network with its published weights, and their preprocessing and licence."""
    check_known(name)
    body: Any = create(name) if random else load_published(name)
    preprocess = published.of_timm(name, resolve_data_config(model=body), size)
    plain = without_tag(name)
    graph, recipe = _graph(at_size(plain, body, preprocess.size), None, recipe, preprocess.size)
    licence = LICENCE if random else body.pretrained_cfg.get("license") or UNKNOWN
    return Network(graph, preprocess, f"{name}-random" if random else name, "timm", plain, recipe, None, {}, licence)


def from_checkpoint(saved: Checkpoint, size: Size | None, recipe: str | None) -> Network:
    """A run of DINO, SwAV or DeepCluster: its backbone (the teacher's, if any), with its head as prototypes."""
    body = backbones.build(saved.backbone, saved.image_size)
    body.load_state_dict(saved.backbone_state)
    pixels = size or saved.image_size
    graph, recipe = _graph(at_size(saved.backbone, body, pixels), saved.head_module(), recipe, pixels)
    mean, std = saved.config["recipe"]["mean"], saved.config["recipe"]["std"]
    return Network(
        graph=graph,
        preprocess=centre_crop(pixels, mean, std),
        name=f"{saved.method}-{saved.backbone}",
        method=saved.method,
        backbone=saved.backbone,
        recipe=recipe,
        temperature=saved.temperature,
        training=saved.training,
        licence=saved.licence,
    )


def from_descriptor(saved: Checkpoint, size: Size | None, views: bool, power: float | None = None) -> Network:
    """A run of copy or distil: its averaged descriptor network, on whole pictures squashed to its size."""
    method = saved.config["method"]
    if power is None:
        power = method.get("power", 3.0)  # checkpoints of older versions have no power
    descriptor = descriptors.build(saved.backbone, saved.image_size, method["dimension"], power)
    prefix = saved.backbone_prefix.removesuffix("backbone.")
    descriptor.load_state_dict(
        {name.removeprefix(prefix): value for name, value in saved.state.items() if name.startswith(prefix)}
    )
    pixels = size or saved.image_size
    descriptor.backbone = at_size(saved.backbone, descriptor.backbone, pixels)
    descriptors.pooled_width(descriptor.backbone, pixels)  # raises if this size does not fit
    mean, std = saved.config["recipe"]["mean"], saved.config["recipe"]["std"]
    body: nn.Module = descriptor
    if views:
        if not isinstance(pixels, int):
            raise InvalidArgument(
                f"--views cuts squares, and {saved.path} would take {in_words(pixels)} px; omit it, or give one side "
                "as --size"
            )
        body, pixels = ManyViews(descriptor, standard_views(pixels)), 2 * pixels
    return Network(
        graph=PooledGraph(body).eval().requires_grad_(False),
        preprocess=Preprocess(pixels, "squash", pixels, "bicubic", tuple(mean), tuple(std)),
        name=f"{saved.method}-{saved.backbone}",
        method=saved.method,
        backbone=saved.backbone,
        recipe="gem",
        temperature=None,
        training=saved.training,
        licence=saved.licence,
    )


def from_released(path: Path, size: Size | None, recipe: str | None, method: str | None = None) -> Network:
    """A released checkpoint file, with the preprocessing of its published evaluation.

    ``method`` is what trained it, if the file does not say so: a bare backbone may be from anywhere.
    """
    loaded = released.load(path)
    pixels = size or loaded.image_size
    # The published feature of DINOv3 is [CLS]; timm's own pooling of these networks is the mean.
    own = "cls" if loaded.method == "dinov3" and layouts.has_cls(loaded.body) else None
    graph, recipe = _graph(at_size(loaded.backbone, loaded.body, pixels), loaded.head, recipe or own, pixels)
    method = method or loaded.method
    return Network(
        graph=graph,
        preprocess=_released_preprocess(loaded, method, pixels),
        name=f"{method}-{loaded.backbone}",
        method=method,
        backbone=loaded.backbone,
        recipe=recipe,
        temperature=None if loaded.head is None else TEMPERATURE,
        training={"source": path.name},
        licence=UNKNOWN,
    )


def _released_preprocess(loaded: Released, method: str, pixels: Size) -> Preprocess:
    if loaded.method == "dinov3":
        return Preprocess(pixels, "shortest", pixels, "bicubic", IMAGENET_MEAN, IMAGENET_STD)
    return centre_crop(pixels, IMAGENET_MEAN, SWAV_STD if method in {"swav", "deepcluster"} else IMAGENET_STD)


def _graph(body: nn.Module, head: nn.Module | None, recipe: str | None, size: Size) -> tuple[nn.Module, str]:
    """The graph of a network, and its recipe: by default the network's own pooling, which is [CLS] for most ViTs."""
    if head is not None and count_prototypes(head, backbones.dimension(body, size)) > MAX_PROTOTYPES:
        head = None
    graph: nn.Module
    if isinstance(body, VisionTransformer) and body.cls_token is not None:
        own = "cls" if body.global_pool == "token" else "pool"
        recipe = _check_recipe(body, recipe or own, WITH_CLS)
        graph = TransformerGraph(body, recipe, head)
    elif rope_graph.gives_attention(body):
        recipe = _check_recipe(body, recipe or "pool", WITH_CLS)
        graph = RopeGraph(body, recipe, layouts.read(body, size), head)
    elif recipe in {None, "pool"}:
        recipe, graph = "pool", PooledGraph(body, head)
    else:
        layout = layouts.read(body, size)
        recipe = _check_recipe(body, str(recipe), WITH_CLS if layout.cls else WITHOUT_CLS)
        graph = PooledGraph(TokenDescriptor(body, recipe, layout))
    return graph.eval().requires_grad_(False), recipe


@torch.inference_mode()
def count_prototypes(head: nn.Module, features: int) -> int:
    """Number K of logits that ``head`` gives for features (B, D)."""
    return int(head.eval()(torch.zeros(2, features)).shape[1])


def _check_recipe(body: nn.Module, recipe: str, known: tuple[str, ...]) -> str:
    if recipe not in known:
        reason = "" if "cls" in known else f"; {name_of(body)} has no [CLS] token"
        raise InvalidArgument(f"got the recipe {recipe!r}; for this network choose one of {', '.join(known)}{reason}")
    return recipe
