"""Draw attention maps: masks, heatmaps, and sheets of all heads."""

import colorsys
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
GAP = 6
"""Pixels between the tiles of a grid."""


def mass_masks(attention: Float, mass: float) -> Mask:
    """Select the patches that hold the share ``mass`` of each head's attention: (H, rows, columns), boolean.

    Patches are sorted from the lowest attention up. A patch is selected if the running sum, as a share of the head's
    total, exceeds 1 - mass (Caron et al. 2021, section 4.2.2, uses 0.6). A map of zeros selects nothing.
    """
    flat = attention.reshape(len(attention), -1).astype(np.float64)
    order = np.argsort(flat, axis=1, kind="stable")
    shares = np.take_along_axis(flat, order, axis=1)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    keep = np.cumsum(shares, axis=1) > 1 - mass
    masks = np.empty_like(keep)
    np.put_along_axis(masks, order, keep, axis=1)
    return masks.reshape(attention.shape)


def enlarge(maps: npt.NDArray[np.generic], factor: int) -> npt.NDArray[np.generic]:
    """Enlarge the last two axes by nearest neighbour: every patch becomes a square of ``factor`` pixels."""
    return maps.repeat(factor, axis=-2).repeat(factor, axis=-1)


def colours(count: int) -> list[tuple[int, int, int]]:
    """``count`` RGB colours that are easy to tell apart, one per head: hues evenly around the circle."""
    wheel = (colorsys.hsv_to_rgb(number / count, 0.85, 1.0) for number in range(count))
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in wheel]


def heatmap(picture: Image.Image, attention: Float, opacity: float = 0.75) -> Image.Image:
    """Draw one map (rows, columns) over a picture: dark where attention is low, bright and warm where it is high."""
    weight = smooth(attention, picture.size)[..., None]
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    warm = np.array([255, 190, 40], np.float32)
    shaded = pixels * (1 - opacity) + opacity * (pixels * weight * 0.55 + warm * weight * 0.45)
    return Image.fromarray(shaded.clip(0, 255).astype(np.uint8))


def overlay_heat(picture: Image.Image, attention: Float, opacity: float = 0.75) -> Image.Image:
    """Draw maps (H, rows, columns) over a picture: one as in ``heatmap``, several over a grey picture.

    Each of several maps has its colour; a pixel has that of the map which is strongest there.
    """
    if len(attention) == 1:
        return heatmap(picture, attention[0], opacity)
    weights = np.stack([smooth(one, picture.size) for one in attention])
    strongest = np.asarray(colours(len(weights)), np.float32)[weights.argmax(axis=0)]
    strength = opacity * weights.max(axis=0)[..., None]
    grey = np.asarray(picture.convert("L").convert("RGB"), np.float32) * (1 - opacity / 2)
    return Image.fromarray((grey * (1 - strength) + strongest * strength).astype(np.uint8))


def overlay_masks(picture: Image.Image, masks: Mask, opacity: float = 0.55) -> Image.Image:
    """Draw masks (H, rows, columns) over a grey picture, one colour per head; colours mix where masks overlap."""
    palette = np.asarray(colours(len(masks)), np.float32)
    grown = np.stack([_resize_nearest(mask, picture.size) for mask in masks]).astype(np.float32)
    count = grown.sum(axis=0)
    mixed = np.einsum("hyx,hc->yxc", grown, palette) / np.maximum(count, 1)[..., None]
    grey = np.asarray(picture.convert("L").convert("RGB"), np.float32)
    strength = opacity * (count > 0)[..., None]
    return Image.fromarray((grey * (1 - strength) + mixed * strength).astype(np.uint8))


def sheet(
    picture: Image.Image, attention: Float, mass: float = 0.6, side: int = 224, names: Sequence[str] = ()
) -> Image.Image:
    """Draw all heads on one sheet: the picture, one heatmap per head, and the masks of all heads in one picture.

    ``names`` (H,) are the names of the maps; the default is head 0 to head H - 1.
    """
    small = picture.resize((side, round(side * picture.height / picture.width)), Image.Resampling.LANCZOS)
    tiles = [small, *(heatmap(small, head) for head in attention), overlay_masks(small, mass_masks(attention, mass))]
    names = names or [f"head {number}" for number in range(len(attention))]
    masks = f"{mass:.0%} of each map" if mass < 1 else "mask"
    return grid(tiles, ["picture", *names, masks], ["white", *colours(len(attention)), "white"])


def grid(
    tiles: Sequence[Image.Image], names: Sequence[str], marks: Sequence[str | tuple[int, int, int]], columns: int = 0
) -> Image.Image:
    """Arrange tiles of equal size in rows, each below its name and a square in its mark's colour."""
    columns = columns or min(len(tiles), 5)
    width, height = tiles[0].width + GAP, tiles[0].height + 18 + GAP
    out = Image.new("RGB", (columns * width + GAP, math.ceil(len(tiles) / columns) * height + GAP), (24, 24, 28))
    draw = ImageDraw.Draw(out)
    for number, (tile, name, mark) in enumerate(zip(tiles, names, marks, strict=True)):
        x, y = GAP + number % columns * width, GAP + number // columns * height
        draw.rectangle((x, y + 3, x + 9, y + 12), fill=mark)
        draw.text((x + 14, y + 1), name, fill="white")
        out.paste(tile, (x, y + 18))
    return out


def side_by_side(pictures: Sequence[Image.Image], maps: Sequence[Float], height: int = 384) -> Image.Image:
    """Draw pictures in one row, each with its map (rows, columns) over it; negative values count as 0."""
    sizes = [(max(round(one.width * height / one.height), 1), height) for one in pictures]
    out = Image.new("RGB", (sum(width + GAP for width, _ in sizes) - GAP, height), (24, 24, 28))
    x = 0
    for picture, values, size in zip(pictures, maps, sizes, strict=True):
        resized = picture.resize(size, Image.Resampling.LANCZOS)
        out.paste(heatmap(resized, np.maximum(values, np.float32(0))), (x, 0))
        x += size[0] + GAP
    return out


def stack(pictures: Sequence[Image.Image], names: Sequence[str]) -> Image.Image:
    """Arrange pictures of any sizes in one column, each below its name."""
    bar = 18
    height = sum(picture.height + bar for picture in pictures)
    out = Image.new("RGB", (max(picture.width for picture in pictures), height), (24, 24, 28))
    draw, y = ImageDraw.Draw(out), 0
    for picture, name in zip(pictures, names, strict=True):
        draw.text((GAP, y + 3), name, fill="white")
        out.paste(picture, (0, y + bar))
        y += picture.height + bar
    return out


def smooth(values: Float, size: tuple[int, int]) -> Float:
    """A map (rows, columns) divided by its largest value, resized to ``size`` (width, height); bilinear."""
    scaled = np.asarray(values / max(float(values.max()), 1e-12), np.float32)
    return np.asarray(Image.fromarray(scaled).resize(size, Image.Resampling.BILINEAR), np.float32)


def _resize_nearest(mask: npt.NDArray[np.bool_], size: tuple[int, int]) -> Mask:
    grown = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.NEAREST)
    return np.asarray(grown) > 0
