"""Keep the decoded pictures of a pack in the memory of a GPU, so that no step copies pixels to it."""

import torch
from torch import Tensor

from training.data.pack import Pack

SHARE = 0.5
"""Largest share of the GPU's free memory that the pictures may take: networks and views need the rest."""


def held(pack: Pack, device: torch.device, free: int | None = None) -> Tensor | None:
    """All pixels of a pack, one picture after the other (bytes,), uint8 on ``device``.

    None on a CPU, which maps the file, or if they would take more than ``SHARE`` of the memory. ``free``: bytes of
    memory; by default those that are free on the GPU.
    """
    if free is None:
        if device.type != "cuda":
            return None
        free = torch.cuda.mem_get_info(device)[0]
    if pack.pixels.nbytes > SHARE * free:
        return None
    # In parts: one copy of the mapped file would need the memory of the host once more.
    pixels = torch.empty(len(pack.pixels), dtype=torch.uint8, device=device)
    for start in range(0, len(pack.pixels), 1 << 28):
        part = torch.from_numpy(pack.pixels[start : start + (1 << 28)].copy())
        pixels[start : start + len(part)] = part.to(device)
    return pixels


def picture(pixels: Tensor, pack: Pack, number: int) -> Tensor:
    """Picture ``number`` of what is held, (height, width, 3) uint8, without a copy."""
    height, width = pack.sizes[number].tolist()
    first, last = pack.offsets[number : number + 2].tolist()
    return pixels[first:last].view(height, width, 3)
