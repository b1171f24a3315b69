"""Frames to RGB: depth, transparency, and the ground that a drawing is laid on."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw

from copysight.pictures import flatten


def on(layer, ground):
    return np.asarray(
        Image.alpha_composite(Image.new("RGBA", layer.size, (ground,) * 3 + (255,)), layer).convert("RGB")
    )


def drawing(*colours):
    """Rings, one in each colour, on nothing."""
    layer = Image.new("RGBA", (120 * len(colours), 120), (0, 0, 0, 0))
    for number, colour in enumerate(colours):
        ImageDraw.Draw(layer).ellipse((120 * number + 20, 20, 120 * number + 100, 100), outline=colour, width=12)
    return layer


@pytest.mark.parametrize(
    ("colours", "ground"),
    [
        (["black"], 255),
        (["red"], 255),
        (["navy"], 255),
        (["grey"], 255),
        (["white"], 0),
        (["#f4f4f4"], 0),
        (["#ffffc0"], 0),
        (["black", "white"], 128),
        (["red", "white", "white"], 128),
        (["red", "black", "white"], 255),
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", ["RGBA", "RGBa"])
def test_the_ground_shows_the_drawing(jpeg, colours, ground, mode):
    layer = drawing(*colours)
    frame = layer.convert(mode) if mode == "RGBa" else Image.open(BytesIO(jpeg(layer.convert(mode), "PNG")))
    frame.load()
    got = np.asarray(flatten.rgb(frame))
    assert np.abs(got.astype(int) - on(layer, ground)).max() <= 1


def test_a_palette_and_grey_with_transparency_have_a_ground_too(jpeg):
    layer = drawing("white")
    for frame in (layer.quantize(4), layer.convert("LA")):
        read = Image.open(BytesIO(jpeg(frame, "PNG")))
        read.load()
        assert np.array_equal(np.asarray(flatten.rgb(read)), on(frame.convert("RGBA"), 0))


def test_an_ordinary_picture_with_transparency_stays_on_white_bit_for_bit(drawn):
    rounded = drawn(1, (300, 200)).convert("RGBA")
    mask = Image.new("L", rounded.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 299, 199), 30, fill=255)
    rounded.putalpha(mask)
    sheet = Image.new("RGBA", (300, 200), "white")
    ImageDraw.Draw(sheet).text((20, 60), "a letter with words", "black", font_size=24)
    sheet.putalpha(mask)
    faded = drawn(2, (300, 200)).convert("RGBA")
    faded.putalpha(Image.linear_gradient("L").resize((300, 200)))
    for layer in (rounded, sheet, faded):
        assert np.array_equal(np.asarray(flatten.rgb(layer)), on(layer, 255))


def test_alpha_that_is_zero_everywhere_is_no_alpha_but_in_a_frame_of_an_animation(drawn):
    layer = drawn(1).convert("RGBA")
    layer.putalpha(0)
    assert np.array_equal(np.asarray(flatten.rgb(layer)), np.asarray(drawn(1)))
    assert (np.asarray(flatten.rgb(layer, still=False)) == 255).all()


@pytest.mark.parametrize("most", [1, 200, 255, 256, 4096, 65535])
def test_16_bits_are_scaled_by_their_depth(most):
    values = np.linspace(0, most, 32 * 32).reshape(32, 32).astype(np.uint16)
    got = np.asarray(flatten.rgb(Image.fromarray(values)))[..., 0]
    assert np.array_equal(got, np.round(values.astype(np.float32) * (255 / 65535)).astype(np.uint8))


@pytest.mark.parametrize("span", [1.0, 255.0, 65535.0])
def test_fractions_are_scaled_by_the_span_that_holds_them(span):
    values = np.linspace(0, span, 32 * 32).reshape(32, 32).astype(np.float32)
    got = np.asarray(flatten.rgb(Image.fromarray(values)))[..., 0]
    assert np.abs(got - values * 255 / span).max() <= 0.51


def test_a_transparent_value_of_16_bits_is_transparent():
    values = np.full((16, 16), 65535, np.uint16)
    values[4:12, 4:12] = 7
    frame = Image.fromarray(values)
    frame.info["transparency"] = 65535
    assert np.asarray(flatten.with_alpha(frame))[..., 3].tolist() == np.where(values == 65535, 0, 255).tolist()
