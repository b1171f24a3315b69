"""Files as the codes of DINO, SwAV, DeepCluster-v2, DINOv2 and DINOv3 write them, with random weights."""

import io
import re
import zipfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.networks import backbones
from training.networks.heads import DinoHead, SwavHead


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


def stepped(network: nn.Module) -> dict[str, object]:
    """The state of an optimiser whose schedules are numpy arrays, after a step, as in the released training loops."""
    optimizer = torch.optim.AdamW([parameter for parameter in network.parameters() if parameter.ndim == 1])
    schedule = np.linspace(5e-4, 1e-6, 10)
    for group in optimizer.param_groups:
        group["lr"], group["weight_decay"] = schedule[3], schedule[4]
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert type(optimizer.state_dict()["param_groups"][0]["lr"]) is np.float64
    return optimizer.state_dict()


def dino_checkpoint(file: Path) -> nn.Module:
    """What DINO's training loop saves after an epoch: student, teacher, optimiser, epoch, arguments, loss."""
    body, head = backbones.build("vit_tiny_patch16_224", 224), DinoHead(192, 12, 16, 8)
    teacher = {**prefixed("backbone.", body.state_dict()), **prefixed("head.", head.state_dict())}
    arguments = Namespace(
        arch="vit_tiny", patch_size=16, lr=0.0005, data_path="/data", gpu=0, local_crops_scale=(0.05, 0.4)
    )
    torch.save(
        {
            "student": prefixed("module.", {name: torch.zeros_like(value) for name, value in teacher.items()}),
            "teacher": teacher,
            "optimizer": stepped(body),
            "epoch": 1,
            "args": arguments,
            "dino_loss": {"center": torch.zeros(1, 12)},
            "fp16_scaler": {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 3},
        },
        file,
    )
    return body


def swav_checkpoint(file: Path, several: bool) -> nn.Module:
    """What SwAV's and DeepCluster-v2's training loops save: epoch, state_dict and optimiser."""
    body, head = backbones.build("resnet50"), SwavHead(2048, (6, 6) if several else (6,), 16, 8)
    names = ("prototypes.", "prototypes.prototypes") if several else ("prototypes.0.", "prototypes.")
    state = {**body.state_dict(), **{name.replace(*names): value for name, value in head.state_dict().items()}}
    torch.save({"epoch": 5, "state_dict": prefixed("module.", state), "optimizer": stepped(body)}, file)
    return body


def as_numpy_1(file: Path) -> None:
    """Rewrite the names of numpy's modules in a torch file as numpy 1 writes them."""
    source, out = zipfile.ZipFile(io.BytesIO(file.read_bytes())), zipfile.ZipFile(file, "w")
    for name in source.namelist():
        data = source.read(name)
        if name.endswith("data.pkl"):
            assert b"numpy._core" in data
            data = data.replace(b"numpy._core", b"numpy.core")
        out.writestr(name, data)
    out.close()


def dinov2_file(body: nn.Module, file: Path, training: bool) -> None:
    """The tensors of a timm network under the names of DINOv2's release, or of its training with chunked blocks."""
    state = dict(body.state_dict())
    state["mask_token"] = torch.zeros(1, state["cls_token"].shape[2])
    if "reg_token" in state:
        own = torch.randn_like(state["cls_token"])
        state["register_tokens"] = state.pop("reg_token")
        state["cls_token"] = state["cls_token"] - own
        state["pos_embed"] = torch.cat([own, state["pos_embed"]], dim=1)
    if not training:
        torch.save(state, file)
        return
    chunked = {re.sub(r"^blocks\.(\d+)", lambda found: f"blocks.{int(found[1]) // 3}.{found[1]}", name): value
               for name, value in state.items()}  # fmt: skip
    teacher = {**prefixed("backbone.", chunked), "dino_head.last_layer.weight_g": torch.ones(4, 1)}
    torch.save({"teacher": teacher}, file)


def dinov3_file(body: nn.Module, file: Path, bias: bool) -> None:
    """The tensors of a timm network under the names of DINOv3's release; ``bias`` gives it one that is not 0."""
    state = {}
    for parameter, value in body.state_dict().items():
        renamed = re.sub(r"gamma_(\d)$", r"ls\1.gamma", parameter.replace("reg_token", "storage_tokens"))
        if not parameter.endswith(("q_bias", "k_bias", "v_bias")):
            state[renamed] = value
    for number in range(len(body.blocks)):
        attention = body.blocks[number].attn
        width = attention.qkv.weight.shape[1]
        if bias:
            nn.init.normal_(attention.q_bias)
            nn.init.normal_(attention.v_bias)
        parts = [attention.q_bias, torch.zeros(width), attention.v_bias] if bias else [torch.zeros(width)] * 3
        state[f"blocks.{number}.attn.qkv.bias"] = torch.cat([part.detach() for part in parts])
        state[f"blocks.{number}.attn.qkv.bias_mask"] = torch.full((3 * width,), float("nan"))
    state |= {"mask_token": torch.zeros(1, 384), "rope_embed.periods": torch.ones(16)}
    torch.save(state, file)


def dinov3_convnext_file(body: nn.Module, file: Path) -> None:
    """The tensors of timm's ConvNeXt-T under the names of DINOv3's release."""
    state = {"norms.3.weight": torch.ones(768), "norms.3.bias": torch.zeros(768)}
    for parameter, value in body.state_dict().items():
        name = re.sub(r"^stem\.", "downsample_layers.0.", parameter)
        name = re.sub(r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1.", name)
        name = re.sub(r"^stages\.(\d)\.blocks\.", r"stages.\1.", name)
        name = name.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv").replace("head.norm", "norm")
        state[name] = value
    torch.save(state, file)
