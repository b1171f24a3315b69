"""Load networks to export: runs, released checkpoints and timm networks, as graphs of a fixed size."""

from collections.abc import Sequence
from pathlib import Path

import timm
import torch
from timm.data import resolve_data_config
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from copysight.errors import InvalidArgument
from copysight.pictures.preprocess import Preprocess
from training.checkpoints import checkpoint, released
from training.checkpoints.checkpoint import Checkpoint
from training.export.export import Network
from training.networks import backbones, descriptors
from training.networks.export_graphs import PooledGraph, TransformerGraph, gem
from training.networks.many_views import ManyViews, standard_views

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SWAV_STD = (0.228, 0.224, 0.225)
"""Standard deviations in the released code of SwAV and DeepCluster-v2."""
TEMPERATURE = 0.1
"""Softmax temperature for the logits of released heads: that of DINO's student, SwAV and DeepCluster-v2."""
MAX_PROTOTYPES = 4096
"""A head with more prototypes is not exported: DINO's 65,536 would be 64 MB of weights that nobody uses."""


def load(
    source: str, size: int | None = None, recipe: str | None = None, random: bool = False, views: bool = False
) -> Network:
    """Load ``source``: ``timm:NAME``, a run, its checkpoint, or a released DINO, SwAV or DeepCluster-v2 file.

    ``size`` in pixels, by default the training size. ``recipe``: by default ``cls`` for a ViT, ``pool`` otherwise.
    ``random`` gives a timm network random weights, as a baseline. ``views`` averages a copy run's descriptors of four
    views. Raises ``InvalidArgument`` or ``CheckpointMismatch``.
    """
    if source.startswith("timm:"):
        return from_timm(source.removeprefix("timm:"), size, recipe, random)
    path = Path(source)
    if path.is_dir() or checkpoint.is_checkpoint(path):
        saved = checkpoint.load(path)
        return from_copy(saved, size, views) if saved.method == "copy" else from_checkpoint(saved, size, recipe)
    return from_released(path, size, recipe)


def from_timm(name: str, size: int | None, recipe: str | None, random: bool) -> Network:
    """A timm network with its published weights and their preprocessing."""
    if not timm.is_model(name):
        raise InvalidArgument(f"got timm:{name}, which timm does not have; choose a name of timm.list_models()")
    try:
        body = timm.create_model(name, pretrained=not random, num_classes=0)
    except (OSError, RuntimeError) as error:
        raise InvalidArgument(
            f"cannot load the weights of timm:{name} ({error}); go online once, or use --random for random weights"
        ) from error
    config = resolve_data_config(model=body)
    pixels = size or config["input_size"][1]
    preprocess = Preprocess(
        size=pixels,
        resize="shortest",
        resize_to=round(pixels / config["crop_pct"]),
        interpolation="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )
    graph, recipe = _graph(at_size(name, body, pixels), None, recipe)
    return Network(graph, preprocess, f"{name}-random" if random else name, "timm", name, recipe, None, {})


def from_checkpoint(saved: Checkpoint, size: int | None, recipe: str | None) -> Network:
    """A run of DINO, SwAV or DeepCluster: its backbone (the teacher's, if any), with its head as prototypes."""
    body = backbones.build(saved.backbone, saved.image_size)
    body.load_state_dict(saved.backbone_state)
    pixels = size or saved.image_size
    graph, recipe = _graph(at_size(saved.backbone, body, pixels), saved.head_module(), recipe)
    mean, std = saved.config["recipe"]["mean"], saved.config["recipe"]["std"]
    return Network(
        graph=graph,
        preprocess=_centre_crop(pixels, mean, std),
        name=f"{saved.method}-{saved.backbone}",
        method=saved.method,
        backbone=saved.backbone,
        recipe=recipe,
        temperature=saved.temperature,
        training=saved.training,
    )


def from_copy(saved: Checkpoint, size: int | None, views: bool) -> Network:
    """A run of the copy method: its averaged descriptor network, on whole pictures squashed to a square."""
    method = saved.config["method"]
    # Checkpoints of older versions have no power.
    descriptor = descriptors.build(saved.backbone, saved.image_size, method["dimension"], method.get("power", 3.0))
    prefix = saved.backbone_prefix.removesuffix("backbone.")
    descriptor.load_state_dict(
        {name.removeprefix(prefix): value for name, value in saved.state.items() if name.startswith(prefix)}
    )
    pixels = size or saved.image_size
    descriptor.backbone = at_size(saved.backbone, descriptor.backbone, pixels)
    mean, std = saved.config["recipe"]["mean"], saved.config["recipe"]["std"]
    body = ManyViews(descriptor, standard_views(pixels)) if views else descriptor
    pixels = 2 * pixels if views else pixels
    return Network(
        graph=PooledGraph(body).eval().requires_grad_(False),
        preprocess=Preprocess(pixels, "squash", pixels, "bicubic", tuple(mean), tuple(std)),
        name=f"copy-{saved.backbone}",
        method=saved.method,
        backbone=saved.backbone,
        recipe="gem",
        temperature=None,
        training=saved.training,
    )


def from_released(path: Path, size: int | None, recipe: str | None) -> Network:
    """A released checkpoint file, with the preprocessing of its published evaluation."""
    loaded = released.load(path)
    pixels = size or loaded.image_size
    graph, recipe = _graph(at_size(loaded.backbone, loaded.body, pixels), loaded.head, recipe)
    return Network(
        graph=graph,
        preprocess=_centre_crop(pixels, MEAN, STD if loaded.method == "dino" else SWAV_STD),
        name=f"{loaded.method}-{loaded.backbone}",
        method=loaded.method,
        backbone=loaded.backbone,
        recipe=recipe,
        temperature=None if loaded.head is None else TEMPERATURE,
        training={"source": path.name},
    )


def _centre_crop(pixels: int, mean: Sequence[float], std: Sequence[float]) -> Preprocess:
    """Resize to 8/7 of the crop (256 for 224) and crop the centre, as in the published evaluations."""
    red, green, blue = mean
    return Preprocess(
        pixels, "shortest", round(pixels * 8 / 7), "bicubic", (red, green, blue), (std[0], std[1], std[2])
    )


def at_size(name: str, body: nn.Module, size: int) -> nn.Module:
    """The network for pictures of ``size`` pixels only. The positions of a ViT are resized by DINO's rule.

    Raises ``InvalidArgument`` if ``size`` is no multiple of the patch size.
    """
    if not isinstance(body, VisionTransformer):
        return body
    patch = body.patch_embed.patch_size[0]
    if size % patch:
        raise InvalidArgument(f"got a size of {size} px for patches of {patch} px; choose a multiple of {patch}")
    side, grid, state = size // patch, body.patch_embed.grid_size, body.state_dict()
    positions = grid[0] * grid[1]
    leading, patches = state["pos_embed"][:, :-positions], state["pos_embed"][:, -positions:]
    # `resize_positions` expects exactly one leading row: pass a dummy row, then add the real leading rows.
    table = torch.cat([patches[:, :1], patches], dim=1)
    resized = backbones.resize_positions(table, grid, side, side)[:, 1:]
    fixed = timm.create_model(name, num_classes=0, img_size=size)
    fixed.load_state_dict({**state, "pos_embed": torch.cat([leading, resized], dim=1)})
    return fixed  # type: ignore[no-any-return]


def _graph(body: nn.Module, head: nn.Module | None, recipe: str | None) -> tuple[nn.Module, str]:
    if head is not None and count_prototypes(head, backbones.dimension(body)) > MAX_PROTOTYPES:
        head = None
    graph: nn.Module
    if isinstance(body, VisionTransformer) and body.cls_token is not None:
        recipe = _check_recipe(recipe or "cls", ("cls", "gem", "cls+gem"))
        graph = TransformerGraph(body, recipe, head)
    else:
        recipe = _check_recipe(recipe or "pool", ("pool", "gem"))
        graph = PooledGraph(body, head) if recipe == "pool" else PooledGraph(GemOfLastMap(body))
    return graph.eval().requires_grad_(False), recipe


class GemOfLastMap(nn.Module):
    """Generalised mean of the last feature map of a convolutional network: pictures (B, 3, S, S) to (B, D)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, D)."""
        maps: Tensor = self.body.forward_features(pictures)  # type: ignore[operator]
        return gem(maps.flatten(2).transpose(1, 2))


@torch.inference_mode()
def count_prototypes(head: nn.Module, features: int) -> int:
    """Number K of logits that ``head`` gives for features (B, D)."""
    return int(head.eval()(torch.zeros(2, features)).shape[1])


def _check_recipe(recipe: str, known: tuple[str, ...]) -> str:
    if recipe not in known:
        raise InvalidArgument(f"got the recipe {recipe!r}; for this network choose one of {', '.join(known)}")
    return recipe
