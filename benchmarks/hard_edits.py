"""Edits that neither the training nor the calibration of this project uses, for the harder copy benchmark.

Each takes an RGB picture, a generator and another picture, and returns an RGB picture. `copysight.pictures.edits` has
those of the training. Nearest to them are `doubled` (there `blend`), `invert` (`dark_mode`) and `swap_channels`
(`colour`, which turns hues by up to 43 degrees).
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

Picture = Image.Image
Edit = Callable[[Picture, Generator, Picture], Picture]
Float = npt.NDArray[np.float32]
SIDE = 512


def edited(picture: Picture, level: str, rng: Generator, other: Picture) -> tuple[Picture, list[str]]:
    """A copy at a level of ``light``, ``medium`` or ``strong`` with the names of its edits, at most 512 px.

    Light is one mild edit, medium one of the others, strong three different ones of which one moves the pixels.
    """
    names = {
        "light": [_one(rng, LIGHT)],
        "medium": [_one(rng, [*COLOURS, *MOVES])],
        "strong": [_one(rng, MOVES), *map(str, rng.choice(list(COLOURS), 2, replace=False))],
    }[level]
    picture = picture.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    for name in names:
        picture = EDITS[name](picture, rng, other).convert("RGB")
        picture.thumbnail((SIDE, SIDE))
    return picture, names


def _one(rng: Generator, names: object) -> str:
    return str(rng.choice(list(names)))  # type: ignore[call-overload]


def sharpen(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Unsharp mask, as photo programs do."""
    return picture.filter(ImageFilter.UnsharpMask(float(rng.uniform(1, 3)), int(rng.integers(80, 250)), 2))


def posterise(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """8 or 16 levels in each channel."""
    return ImageOps.posterize(picture, int(rng.integers(3, 5)))


def palette(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """A GIF: 8 to 48 colours, dithered."""
    return picture.quantize(int(rng.integers(8, 49)), dither=Image.Dither.FLOYDSTEINBERG).convert("RGB")


def vignette(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Darken the corners by a half and more."""
    x, y = _grid(picture)
    shade = 1 - float(rng.uniform(0.25, 0.45)) * (x**2 + y**2)
    return _picture(np.asarray(picture, np.float32) * shade[..., None])


def median(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Smooth away details and keep the edges."""
    return picture.filter(ImageFilter.MedianFilter(int(rng.choice([3, 5, 7]))))


def invert(picture: Picture, _rng: Generator, _: Picture) -> Picture:
    """A negative."""
    return ImageOps.invert(picture)


def swap_channels(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Exchange red, green and blue."""
    bands = picture.split()
    return Image.merge("RGB", [bands[place] for place in ((1, 2, 0), (2, 0, 1), (2, 1, 0), (1, 0, 2))[rng.integers(4)]])


def duotone(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Map the light to a ramp between two colours."""
    dark, light = (tuple(map(int, rng.integers(*span, 3))) for span in ((0, 110), (150, 256)))
    return ImageOps.colorize(picture.convert("L"), dark, light)


def solarise(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Invert what is brighter than a threshold."""
    return ImageOps.solarize(picture, int(rng.integers(96, 192)))


def halftone(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Printed: dots of a turned screen, whose size is the darkness of each channel."""
    x, y = (np.indices((picture.height, picture.width), np.float32)[place] for place in (1, 0))
    pitch, values, out = float(rng.uniform(3, 6)), np.asarray(picture, np.float32) / 255, []
    for channel, degrees in enumerate((15, 75, 45)):
        turn = np.deg2rad(degrees)
        u, v = (x * np.cos(turn) + y * np.sin(turn)) / pitch, (y * np.cos(turn) - x * np.sin(turn)) / pitch
        dots = (np.cos(2 * np.pi * u) + np.cos(2 * np.pi * v) + 2) / 4
        out.append(np.clip((values[..., channel] - dots) * 4 + 0.5, 0, 1))
    return _picture(np.stack(out, axis=2) * 255).filter(ImageFilter.GaussianBlur(0.7))


def screen(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Photographed from a screen: its lines beat with the sensor's, glare, a cold tint."""
    x, y = _grid(picture)
    turn, waves = rng.uniform(0, np.pi), rng.uniform(30, 90)
    beat = 0.12 * np.sin(waves * (x * np.cos(turn) + y * np.sin(turn) + 0.1 * x * y))
    lines = 0.08 * (np.arange(picture.height) % 3 == 0)[:, None]
    glare = 90 * np.exp(-((x - rng.uniform(-1, 1)) ** 2 + (y - rng.uniform(-1, 1)) ** 2) * 4)
    pixels = np.asarray(picture, np.float32) * (0.95 + beat - lines)[..., None] * (0.92, 1.0, 1.06)
    return _picture(pixels + glare[..., None])


def watermark(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """A word all over the picture, slanted and half transparent, as stock agencies do."""
    width, height = picture.size
    layer = Image.new("L", (2 * width, 2 * height))
    draw, step = ImageDraw.Draw(layer), max(24, width // 6)
    for y in range(0, 2 * height, step):
        for x in range(0, 2 * width, 3 * step):
            draw.text((x + y % (2 * step), y), "SAMPLE", fill=int(rng.integers(110, 170)), font_size=step * 0.6)
    layer = layer.rotate(30).crop((width // 2, height // 2, width // 2 + width, height // 2 + height))
    return Image.composite(Image.new("RGB", picture.size, "white"), picture, layer)


def lens(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Barrel or cushion, as wide lenses do."""
    bend = float(rng.choice([-1, 1]) * rng.uniform(0.15, 0.4))
    return _warped(picture, lambda x, y: (x * (1 + bend * (x**2 + y**2)), y * (1 + bend * (x**2 + y**2))))


def swirl(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Turn the middle more than the rim."""
    turn = float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.2))

    def move(x: Float, y: Float) -> tuple[Float, Float]:
        angle = turn * np.exp(-2 * (x**2 + y**2))
        return x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)

    return _warped(picture, move)


def wave(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Paper that is not flat: rows and columns shifted by sines."""
    size, waves, phase = rng.uniform(0.03, 0.07), rng.uniform(2, 6), rng.uniform(0, 6)
    shift: Callable[[Float], Float] = lambda place: size * np.sin(waves * place + phase)  # noqa: E731
    return _warped(picture, lambda x, y: (x + shift(y), y + shift(x)))


def without_strip(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """Cut a strip of 12 to 30 % out of the middle and join what is left."""
    turned = rng.random() < 0.5
    if turned:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    width, height = picture.size
    cut, start = int(width * rng.uniform(0.12, 0.3)), int(width * rng.uniform(0.25, 0.45))
    out = Image.new("RGB", (width - cut, height))
    out.paste(picture.crop((0, 0, start, height)), (0, 0))
    out.paste(picture.crop((start + cut, 0, width, height)), (start, 0))
    return out.transpose(Image.Transpose.ROTATE_270) if turned else out


def shuffled(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """A puzzle: four quarters in another order."""
    width, height = picture.width // 2 * 2, picture.height // 2 * 2
    boxes = [(x, y, x + width // 2, y + height // 2) for y in (0, height // 2) for x in (0, width // 2)]
    out = Image.new("RGB", (width, height))
    order = (int(place) for place in np.roll(np.arange(4), int(rng.integers(1, 4))))
    for target, source in zip(boxes, order, strict=True):
        out.paste(picture.crop(boxes[source]), target[:2])
    return out


def disc(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """A round picture of a profile on a plain page."""
    side = min(picture.size)
    square = ImageOps.fit(picture, (side, side))
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).ellipse((0, 0, side - 1, side - 1), fill=255)
    page = Image.new(
        "RGB", (int(side * 1.3), int(side * rng.uniform(1.1, 1.5))), tuple(map(int, rng.integers(0, 256, 3)))
    )
    page.paste(square, (int(side * 0.15), int(side * 0.05)), mask)
    return page


def reflected(picture: Picture, rng: Generator, _: Picture) -> Picture:
    """One half and its mirror image."""
    width, height = picture.size
    half = picture.crop((0, 0, width // 2, height) if rng.random() < 0.5 else (width - width // 2, 0, width, height))
    out = Image.new("RGB", (2 * half.width, height))
    out.paste(half, (0, 0))
    out.paste(ImageOps.mirror(half), (half.width, 0))
    return out


def doubled(picture: Picture, _rng: Generator, other: Picture) -> Picture:
    """A double exposure: the brighter of two pictures at each place."""
    second = ImageOps.fit(other.convert("RGB"), picture.size).point(lambda value: value * 0.6)
    return ImageChops.lighter(picture, second)


def _grid(picture: Picture) -> tuple[Float, Float]:
    """Places of the pixels, x and y in -1..1."""
    y, x = np.meshgrid(np.linspace(-1, 1, picture.height), np.linspace(-1, 1, picture.width), indexing="ij")
    return x.astype(np.float32), y.astype(np.float32)


def _picture(pixels: npt.NDArray[np.floating]) -> Picture:
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _warped(picture: Picture, move: Callable[[Float, Float], tuple[Float, Float]]) -> Picture:
    """The picture with the pixel of each place (x, y) taken from ``move(x, y)``, the nearest pixel at the rim."""
    x, y = move(*_grid(picture))
    columns = ((x + 1) / 2 * (picture.width - 1)).round().astype(int).clip(0, picture.width - 1)
    rows = ((y + 1) / 2 * (picture.height - 1)).round().astype(int).clip(0, picture.height - 1)
    return Image.fromarray(np.asarray(picture)[rows, columns])


LIGHT: Mapping[str, Edit] = {one.__name__: one for one in (sharpen, posterise, palette, vignette, median)}
COLOURS: Mapping[str, Edit] = {
    one.__name__: one for one in (invert, swap_channels, duotone, solarise, halftone, screen, watermark, doubled)
}
MOVES: Mapping[str, Edit] = {one.__name__: one for one in (lens, swirl, wave, without_strip, shuffled, disc, reflected)}
EDITS: Mapping[str, Edit] = {**LIGHT, **COLOURS, **MOVES}
