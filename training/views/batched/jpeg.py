"""JPEG as tensor operations: colour planes, halved chroma, cosine transform, quantisation, and back (ITU-T T.81).

Baseline JPEG loses nothing after quantisation, so no bytes are written. Against libjpeg-turbo pixels differ by a level
or two, because its transform works on integers.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK, UNIT = 8, 16
"""Side of a block, and of what a block of halved chroma covers, in pixels."""
LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, *(99,) * 32,
)  # fmt: skip
"""Tables K.1 and K.2 of the standard, for quality 50."""
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
FROM_YCC = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
WEBP = ((5, 10, 20, 30, 40, 50, 60, 70, 80, 90), (15, 20, 37, 52, 62, 70, 76, 80, 89, 93))
"""Qualities of WebP, and of the JPEG whose error is as large: the median over 19 photographs of 200 px."""


def like_webp(quality: int) -> int:
    """Quality of the JPEG that changes pixels as much as WebP of ``quality``."""
    return round(float(np.interp(quality, *WEBP)))


def jpeg(pixels: Tensor, sizes: Tensor, qualities: Sequence[int]) -> Tensor:
    """Pictures (N, 3, H, W) of RGB in 0..1 after JPEG of ``qualities`` (N,), with halved chroma as Pillow saves them.

    ``sizes`` (N, 2): height and width of each picture in its padded array. Values are rounded to 8 bits.
    """
    height, width = pixels.shape[2:]
    whole = padded(pixels, sizes, -(-height // UNIT) * UNIT, -(-width // UNIT) * UNIT).mul(255).round()
    planes = torch.einsum("ij,njhw->nihw", whole.new_tensor(TO_YCC), whole)
    light, colours = planes[:, :1] - 128, F.avg_pool2d(planes[:, 1:], 2)
    light = _quantised(light, _tables(LUMINANCE, qualities, pixels)) + 128
    colours = _quantised(colours, _tables(CHROMINANCE, qualities, pixels))
    colours = F.interpolate(colours, scale_factor=2.0, mode="bilinear", align_corners=False)
    back = torch.einsum("ij,njhw->nihw", whole.new_tensor(FROM_YCC), torch.cat([light, colours], dim=1))
    return back.round_().clamp_(0, 255).div_(255)[:, :, :height, :width]


def padded(pixels: Tensor, sizes: Tensor, height: int, width: int) -> Tensor:
    """The pictures in arrays of ``height`` and ``width``; beyond ``sizes`` (N, 2) the last row and column repeat."""
    down, across = (
        torch.minimum(torch.arange(side, device=pixels.device), sizes[:, axis, None] - 1)
        for axis, side in enumerate((height, width))
    )
    rows = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    return pixels.permute(0, 2, 3, 1)[rows, down[:, :, None], across[:, None, :]].permute(0, 3, 1, 2)


def _tables(table: Sequence[int], qualities: Sequence[int], like: Tensor) -> Tensor:
    """Quantisation tables (N, 1, 1, 8, 1, 8) of libjpeg for ``qualities``."""
    quality = np.clip(np.asarray(qualities), 1, 100)[:, None]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    steps = np.clip((np.asarray(table)[None] * scale + 50) // 100, 1, 255)
    return torch.from_numpy(steps).to(like).view(-1, 1, 1, BLOCK, 1, BLOCK)


def _quantised(planes: Tensor, tables: Tensor) -> Tensor:
    """Planes (N, C, H, W) around 0 whose cosine coefficients are multiples of ``tables``."""
    basis = _basis(planes)
    shape = planes.shape
    blocks = planes.view(*shape[:2], shape[2] // BLOCK, BLOCK, shape[3] // BLOCK, BLOCK)
    found = torch.einsum("ux,vy,ncaxby->ncaubv", basis, basis, blocks)
    kept = (found / tables).round_() * tables
    return torch.einsum("ux,vy,ncaubv->ncaxby", basis, basis, kept).reshape(shape)


def _basis(like: Tensor) -> Tensor:
    """The orthonormal cosine basis (8, 8): frequency, place."""
    frequency, place = np.arange(BLOCK)[:, None], np.arange(BLOCK)[None]
    basis = np.cos((2 * place + 1) * frequency * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    return torch.from_numpy(basis).to(like)
