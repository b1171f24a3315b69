"""PNG files with damaged chunks: what no pixel depends on is left out; pixels are never made up."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from copysight.errors import CorruptPicture
from copysight.pictures.decode import decode
from copysight.pictures.exact import digest
from copysight.pictures.formats import png

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def interlaced(values):
    """A grey PNG in seven passes, unfiltered, and the bytes of its lines."""
    rows, columns = values.shape
    lines = b"".join(
        b"\0" + row.tobytes() for x, y, across, down in ADAM7 for row in values[y::down, x::across] if row.size
    )
    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 1)
    return png.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + png.END, lines


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (17, 8), (33, 40)])
def test_interlaced_lines_are_counted(shape):
    values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    data, lines = interlaced(values)
    assert png._unpacked_size(shape[1], shape[0], 8, True) == len(lines)
    assert np.array_equal(np.asarray(decode(data).pixels)[..., 0], values)
    end = data.index(b"IDAT") - 4
    cut = data[:end] + chunk(b"IDAT", zlib.compress(lines)[:-4]) + png.END
    assert digest(cut) == digest(data)
    short = data[:end] + chunk(b"IDAT", zlib.compress(lines[:-1])) + png.END
    with pytest.raises(CorruptPicture):
        decode(short)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_cut_file_has_all_its_pixels_or_is_refused(mode, drawn, jpeg):
    picture = drawn(1).convert("L") if mode == "I;16" else drawn(1).convert(mode)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 201)
    data = jpeg(picture, "PNG")
    whole, read = digest(data), 0
    for cut in [*range(1, 60), len(data) // 2]:
        try:
            assert digest(data[: len(data) - cut]) == whole
            read += 1
        except CorruptPicture:
            continue
    assert read >= 20


def test_damaged_picture_data_is_refused_not_filled_with_black(drawn, jpeg):
    data = bytearray(jpeg(drawn(1), "PNG"))
    place = data.index(b"IDAT") + 4
    data[place + 60 : place + 90] = b"\xff" * 30
    with pytest.raises(CorruptPicture, match="PNG"):
        decode(bytes(data))


def test_a_wrong_checksum_of_the_lines_is_no_lost_line(drawn, jpeg):
    data = jpeg(drawn(1), "PNG")
    damaged = data[:-18] + bytes((data[-18] ^ 1,)) + data[-17:]
    assert digest(damaged) == digest(data)


def test_sound_orientation_and_transparency_outlive_a_damaged_note(drawn, jpeg):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = drawn(1).convert("P")
    data = jpeg(picture, "PNG", exif=exif, transparency=picture.getpixel((0, 0)))
    damaged = data[:33] + chunk(b"gAMA", b"\1") + data[33:]
    assert decode(damaged).pixels.size == (120, 160)
    assert digest(damaged) == digest(data) != digest(jpeg(picture, "PNG", exif=exif))


def test_an_animation_with_a_damaged_note_keeps_its_frames(drawn, jpeg):
    data = jpeg(Image.new("RGB", (160, 120)), "PNG", save_all=True, append_images=[drawn(1), drawn(2)])
    damaged = data[:33] + chunk(b"gAMA", b"\1") + data[33:]
    assert digest(damaged) == digest(data)
    assert np.array_equal(np.asarray(decode(damaged).pixels), np.asarray(drawn(1)))
