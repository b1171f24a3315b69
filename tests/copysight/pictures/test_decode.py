"""Decoding: modes and formats, orientation, limits, damaged files."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from copysight import errors
from copysight.pictures.decode import Limits, decode

COLOURS = Image.fromarray(np.linspace(0, 255, 40 * 60 * 3).reshape(40, 60, 3).astype(np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_format_is_decoded(kind, jpeg):
    picture = decode(jpeg(COLOURS, kind))
    assert (picture.format, picture.width, picture.height, picture.pixels.mode) == (kind, 60, 40, "RGB")
    assert np.abs(np.asarray(picture.pixels, int) - np.asarray(COLOURS, int)).mean() < 8


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("L", "PNG"), ("P", "PNG"), ("1", "BMP"), ("LA", "PNG")])
def test_every_colour_mode_is_converted_to_rgb(mode, kind, jpeg):
    source = COLOURS.convert("L").convert(mode) if mode == "LA" else COLOURS.convert(mode)
    got = decode(jpeg(source, kind)).pixels
    expected = source.convert("RGB")
    assert got.mode == "RGB"
    assert np.abs(np.asarray(got, int) - np.asarray(expected, int)).mean() < 8


def test_16_bits_are_scaled_to_8_not_clipped(jpeg):
    values = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    got = np.asarray(decode(jpeg(Image.fromarray(values), "PNG")).pixels)[..., 0]
    assert np.abs(got.astype(float) - values / 257).max() <= 1


def test_transparent_pixels_become_white(jpeg):
    layer = Image.new("RGBA", (16, 16), (200, 10, 10, 0))
    layer.paste((0, 0, 255, 255), (0, 0, 8, 16))
    got = np.asarray(decode(jpeg(layer, "PNG")).pixels)
    assert (got[:, 8:] == 255).all()
    assert (got[:, :8] == (0, 0, 255)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation, jpeg):
    upright = Image.new("RGB", (64, 32), "black")
    upright.paste("red", (0, 0, 16, 16))  # a mark in the top left corner
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Transpose that an upright picture needs to be stored so
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(inverse[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(jpeg(stored, "JPEG", exif=exif, quality=95))
    assert (picture.width, picture.height) == picture.pixels.size == (64, 32)
    assert picture.pixels.getpixel((6, 6))[0] > 200
    assert picture.pixels.getpixel((58, 26))[0] < 50


def test_first_frame_of_an_animation():
    out = BytesIO()
    Image.new("RGB", (16, 16), "red").save(
        out, "GIF", save_all=True, append_images=[Image.new("RGB", (16, 16), "blue")]
    )
    assert decode(out.getvalue()).pixels.getpixel((8, 8)) == (255, 0, 0)


def test_scaled_decode_keeps_the_least_side(jpeg, drawn):
    data = jpeg(drawn(1, (1600, 1200)))
    picture = decode(data, at_least=256)
    assert min(picture.pixels.size) == 300  # 1/4; 1/8 would leave 150
    assert (picture.width, picture.height) == (1600, 1200)
    full = decode(data).pixels.resize(picture.pixels.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(full, int) - np.asarray(picture.pixels, int)).mean() < 3


def test_empty_file():
    with pytest.raises(errors.EmptyPicture):
        decode(b"")


@pytest.mark.parametrize("data", [b"hello, I am no picture", b"%PDF-1.7", b"\0" * 40])
def test_file_that_is_not_a_picture(data):
    with pytest.raises(errors.UnsupportedFormat, match="JPEG, PNG"):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_truncated_file(kind, jpeg, drawn):
    data = jpeg(drawn(2), kind)
    with pytest.raises(errors.CorruptPicture, match=kind):
        decode(data[: len(data) // 2])


def test_picture_below_the_minimum_side(jpeg):
    with pytest.raises(errors.PictureTooSmall, match="1 x 1"):
        decode(jpeg(Image.new("RGB", (1, 1)), "PNG"))


def test_file_above_the_byte_limit(jpeg):
    data = jpeg(COLOURS)
    with pytest.raises(errors.TooManyBytes, match=f"{len(data):,}"):
        decode(data, Limits(max_bytes=len(data) - 1))
    assert decode(data, Limits(max_bytes=len(data))).width == 60


def bomb(side: int) -> bytes:
    """A small PNG whose header declares side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 65536))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [10_001, 20_000, 100_000])
def test_a_decompression_bomb_is_rejected_before_decoding(side):
    with pytest.raises(errors.TooManyPixels, match=f"{side} x {side}"):
        decode(bomb(side))


def test_the_pixel_limit_can_be_raised(jpeg):
    data = jpeg(Image.new("1", (14_000, 14_000)), "PNG")
    assert decode(data, Limits(max_pixels=200_000_000)).width == 14_000


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_data_is_ignored(jpeg):
    data = jpeg(COLOURS, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff garbage")
    assert decode(data).width == 60
