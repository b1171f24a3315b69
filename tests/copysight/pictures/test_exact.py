"""Digests: equal where pixels, alpha and frames are, whatever the file."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from copysight.pictures.decode import Limits
from copysight.pictures.exact import digest
from tests.copysight.pictures.formats.test_png_chunks import chunk
from tests.copysight.pictures.test_frames import film


def deep(values, colour):
    """A PNG of 16-bit colours (rows, columns, channels)."""
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def test_one_picture_in_many_files(drawn, jpeg):
    files = [jpeg(drawn(1), kind) for kind in ("PNG", "BMP", "TIFF")]
    files += [jpeg(drawn(1), "WEBP", lossless=True), jpeg(drawn(1), "TIFF", compression="tiff_lzw")]
    files += [jpeg(drawn(1).convert("RGBA"), "PNG"), jpeg(drawn(1), "PNG", compress_level=1)]
    assert len({digest(data) for data in files}) == 1


def test_a_turned_file_equals_its_upright_one(drawn, jpeg):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = drawn(1).transpose(Image.Transpose.ROTATE_90)
    assert digest(jpeg(stored, "PNG", exif=exif)) == digest(jpeg(drawn(1), "PNG"))


def test_colours_below_alpha_zero_do_not_count(drawn, jpeg):
    layers = []
    for hidden in ("red", "blue"):
        layer = Image.new("RGBA", (160, 120), hidden)
        layer.putalpha(0)
        layer.paste(drawn(1).crop((0, 0, 80, 120)), (0, 0))
        layers.append(layer)
    assert digest(jpeg(layers[0], "PNG")) == digest(jpeg(layers[1], "PNG"))
    assert digest(jpeg(layers[0], "PNG")) != digest(jpeg(drawn(1), "PNG"))


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4)])
def test_16_bits_of_a_colour_count(colour, channels):
    values = np.full((20, 20, channels), 65535)
    values[..., :3] = np.arange(400).reshape(20, 20, 1) % 250
    other = values.copy()
    other[5, 5, 1] += 1
    assert digest(deep(values, colour)) == digest(deep(values.copy(), colour)) is not None
    assert digest(deep(values, colour)) != digest(deep(other, colour))


def test_16_bits_that_cannot_be_read_are_equal_to_nothing():
    assert digest(deep(np.full((20, 20, 2), 65535), 4)) is None


def test_frames_beyond_the_limit_are_equal_to_nothing(drawn):
    data = film([drawn(seed, (96, 80)) for seed in range(3)])
    assert digest(data, Limits(max_pixels=3 * 96 * 80)) is not None
    assert digest(data, Limits(max_pixels=3 * 96 * 80 - 1)) is None


def test_a_damaged_later_frame_is_equal_to_nothing(drawn):
    data = film([drawn(seed, (96, 80)) for seed in range(3)])
    assert digest(data[: len(data) - 200]) is None
