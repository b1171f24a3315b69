"""Make edited views of many pictures together, on any device: crop, move, and change pixels in place.

Pictures keep their own size until the end, as in Pillow, in arrays that are padded to the largest; so squares of JPEG,
grain and blur are as coarse as there. A picture is interpolated once for all moves and once for the size of the view.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from copysight.pictures.preprocess import Size, sides
from training.views.batched import pixels, resizing
from training.views.batched.jpeg import jpeg
from training.views.batched.layers import Layers
from training.views.batched.planned import PLAIN, View

CHUNK = 64
"""Views that are made together. They are sorted by their size, because all are padded to the largest."""
Pictures = Callable[[int], Tensor]
"""Picture of a number: (height, width, 3) uint8 on the device."""


def render(views: Sequence[View], pictures: Pictures, layers: Layers, size: Size, seeds: Sequence[int]) -> Tensor:
    """Views (N, 3, *size) of RGB in 0..1, squashed to ``size``. ``seeds``: of the noise of each view."""
    order = sorted(range(len(views)), key=lambda number: views[number].size[0] * views[number].size[1])
    made: list[Tensor] = [torch.empty(0)] * len(views)
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        found = _together([views[n] for n in chunk], pictures, layers, size, [seeds[n] for n in chunk])
        for number, view in zip(chunk, found, strict=True):
            made[number] = view
    return torch.stack(made)


def _together(views: Sequence[View], pictures: Pictures, layers: Layers, size: Size, seeds: Sequence[int]) -> Tensor:
    x, lengths = resizing.stacked([_cut(view, pictures(view.picture)) for view in views])
    x = _drawn_over(x, lengths, views, pictures, layers)
    y, lengths = _moved(x, lengths, views, pictures, layers)
    y = _degraded(y, lengths, views, seeds)
    target = torch.tensor(sides(size), device=y.device).expand(len(views), 2)
    return resizing.resize(y, lengths, target, sides(size), "bicubic")


def _cut(view: View, picture: Tensor) -> Tensor:
    left, top, right, bottom = view.box
    part = picture[top:bottom, left:right]
    return part.flip(1) if view.flip else part


def _drawn_over(x: Tensor, lengths: Tensor, views: Sequence[View], pictures: Pictures, layers: Layers) -> Tensor:
    """Colours, and what is drawn on the picture before it is moved."""
    if colours := {n: view.colour for n, view in enumerate(views) if view.colour is not None}:
        x[list(colours)] = pixels.coloured(x[list(colours)], list(colours.values()))
    if rows := [n for n, view in enumerate(views) if view.grey != PLAIN]:
        x[rows] = pixels.grey(x[rows], [views[n].grey for n in rows])
    if blends := {n: view.blend for n, view in enumerate(views) if view.blend is not None}:
        rows = list(blends)
        others, sizes = resizing.stacked([pictures(other) for other, _ in blends.values()])
        others = resizing.resize(others, sizes, lengths[rows], (x.shape[2], x.shape[3]), "bicubic")
        x[rows] = torch.lerp(x[rows], others, x.new_tensor([w for _, w in blends.values()]).view(-1, 1, 1, 1))
    if stripes := {n: view.stripes for n, view in enumerate(views) if view.stripes is not None}:
        x[list(stripes)] = pixels.striped(x[list(stripes)], list(stripes.values()))
    for kind in ("text", "shapes"):
        if used := {n: layer for n, view in enumerate(views) if (layer := getattr(view, kind)) is not None}:
            rows = list(used)
            over = _stretched(layers.pixels[list(used.values())], lengths[rows], (x.shape[2], x.shape[3]))
            x[rows] = x[rows] * (1 - over[:, 3:]) + over[:, :3]
    if insets := {n: view.inset for n, view in enumerate(views) if view.inset is not None}:
        others, sizes = resizing.stacked([pictures(one.other) for one in insets.values()])
        targets = torch.tensor([one.size[::-1] for one in insets.values()], device=x.device)
        shape = (max(one.size[1] for one in insets.values()), max(one.size[0] for one in insets.values()))
        small = resizing.resize(others, sizes, targets, shape, "bicubic")
        for part, (n, one) in zip(small, insets.items(), strict=True):
            (width, height), (left, top) = one.size, one.spot
            x[n, :, top : top + height, left : left + width] = part[:, :height, :width]
    return x


def _moved(
    x: Tensor, lengths: Tensor, views: Sequence[View], pictures: Pictures, layers: Layers
) -> tuple[Tensor, Tensor]:
    """Rotate, turn and put into scenes: what is moved is interpolated once. Returns pixels and sizes (N, 2)."""
    rows = [n for n, view in enumerate(views) if view.scene is not None or not np.array_equal(view.matrix, np.eye(3))]
    after = torch.tensor([view.size[::-1] for view in views], device=x.device)
    height, width = (max(view.size[axis] for view in views) for axis in (1, 0))
    out = x.new_zeros(len(views), 3, max(height, x.shape[2]), max(width, x.shape[3]))
    out[:, :, : x.shape[2], : x.shape[3]] = x
    out = out[:, :, :height, :width]
    if not rows:
        return out, after
    moving = [views[n] for n in rows]
    across = torch.arange(width, device=x.device).add(0.5).expand(height, width)
    down = torch.arange(height, device=x.device).add(0.5)[:, None].expand(height, width)
    matrices = torch.from_numpy(np.stack([view.matrix for view in moving])).to(x)
    u, v, w = torch.einsum("nij,jhw->inhw", matrices, torch.stack([across, down, torch.ones_like(across)]))
    u, v = u / w, v / w
    own = lengths[rows][:, :, None, None]
    inside = (u >= 0) & (u < own[:, 1]) & (v >= 0) & (v < own[:, 0])
    # The border repeats, as in Pillow; half a pixel is the middle of the first.
    u, v = (torch.minimum(one.clamp(min=0.5), own[:, axis] - 0.5) for one, axis in ((u, 1), (v, 0)))
    grid = torch.stack([u / x.shape[3] * 2 - 1, v / x.shape[2] * 2 - 1], dim=-1)
    shown = F.grid_sample(x[rows], grid, mode="bilinear", padding_mode="border", align_corners=False)
    shown = torch.where(inside[:, None], shown, pixels.fills([view.fill for view in moving], x))
    left, top, right, bottom = torch.tensor([view.window for view in moving], device=x.device).t()[..., None, None]
    window = (across > left) & (across < right) & (down > top) & (down < bottom)
    out[rows] = torch.where(window[:, None], shown, _scenes(shown, moving, after[rows], pictures, layers))
    return out, after


def _scenes(shown: Tensor, views: Sequence[View], lengths: Tensor, pictures: Pictures, layers: Layers) -> Tensor:
    """What surrounds each picture (N, 3, H, W); where nothing does, ``shown``."""
    out, shape = shown.clone(), (shown.shape[2], shown.shape[3])
    scenes = {n: view.scene for n, view in enumerate(views) if view.scene is not None}
    if others := {n: one.other for n, one in scenes.items() if one.other is not None}:
        found, sizes = resizing.stacked([pictures(other) for other in others.values()])
        out[list(others)] = resizing.resize(found, sizes, lengths[list(others)], shape, "bilinear")
    if drawn := {n: one.layer for n, one in scenes.items() if one.layer is not None}:
        over = _stretched(layers.pixels[list(drawn.values())], lengths[list(drawn)], shape)
        # At the edge of the window a stored pixel is partly the picture's, which is not there.
        out[list(drawn)] = (over[:, :3] / over[:, 3:].clamp(min=0.1)).clamp_(0, 1)
    if plain := [n for n, one in scenes.items() if one.other is None and one.layer is None]:
        out[plain] = pixels.fills([scenes[n].fill for n in plain], out).expand(-1, -1, *shape)
    for n, one in scenes.items():
        if one.outline is not None:
            (width, height), (line, thick) = views[n].size, one.outline
            colour = pixels.fills([line], out)[0]
            for box in _ring(width, height, thick):
                out[n, :, box[1] : box[3], box[0] : box[2]] = colour
    return out


def _ring(width: int, height: int, thick: int) -> list[tuple[int, int, int, int]]:
    """The four sides of a rectangle that is two pixels away from the border, as Pillow draws it."""
    left, top, right, bottom = 2, 2, width - 2, height - 2
    return [
        (left, top, right, min(top + thick, bottom)),
        (left, max(bottom - thick, top), right, bottom),
        (left, top, min(left + thick, right), bottom),
        (max(right - thick, left), top, right, bottom),
    ]


def _stretched(layers: Tensor, lengths: Tensor, shape: tuple[int, int]) -> Tensor:
    """Layers (N, 4, side, side) uint8 stretched to ``lengths`` (N, 2), in padded arrays (N, 4, *shape) of 0..1."""
    rows, columns = (
        (torch.arange(side, device=layers.device) + 0.5) / lengths[:, axis, None] * 2 - 1
        for axis, side in enumerate(shape)
    )
    full = (len(layers), *shape)
    grid = torch.stack([columns[:, None, :].expand(full), rows[:, :, None].expand(full)], dim=-1)
    return F.grid_sample(layers.float().div_(255), grid, mode="bilinear", padding_mode="border", align_corners=False)


def _degraded(y: Tensor, lengths: Tensor, views: Sequence[View], seeds: Sequence[int]) -> Tensor:
    """Blur or pixelate, then noise, then JPEG."""
    if rows := [n for n, view in enumerate(views) if view.blur > 0]:
        y[rows] = pixels.blurred(y[rows], lengths[rows], np.array([views[n].blur for n in rows]))
    if squares := {n: view.pixelate for n, view in enumerate(views) if view.pixelate is not None}:
        targets = torch.tensor([(down, across) for across, down in squares.values()], device=y.device)
        y[list(squares)] = pixels.pixelated(y[list(squares)], lengths[list(squares)], targets)
    for n, view in enumerate(views):
        if view.noise > 0:
            width, height = view.size
            y[n, :, :height, :width] = pixels.noisy(y[n, :, :height, :width], view.noise, seeds[n])
    if saved := {n: view.jpeg for n, view in enumerate(views) if view.jpeg is not None}:
        y[list(saved)] = jpeg(y[list(saved)], lengths[list(saved)], list(saved.values()))
    return y
