"""JPEG files that are cut: read where all scan lines are there, whatever the cut, and never with rows of filler."""

import numpy as np
import pytest

from copysight.errors import CorruptPicture
from copysight.pictures.decode import Limits, decode
from copysight.pictures.formats import jpeg as mending


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"restart_marker_blocks": 1},
        {"restart_marker_rows": 1},
        {"quality": 30, "optimize": True},
        {"quality": 98},
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_cut_file_has_its_pixels_or_is_refused(options, mode, drawn, jpeg):
    data = jpeg(drawn(3, (200, 150)).convert(mode), **options)
    whole = np.asarray(decode(data).pixels)
    cuts = [*range(1, 40), *np.linspace(40, len(data) - 200, 40).astype(int).tolist()]
    read = 0
    for cut in cuts:
        try:
            shown = np.asarray(decode(data[: len(data) - cut]).pixels)
        except CorruptPicture:
            continue
        read += 1
        wrong = (shown != whole).any(axis=-1)
        assert wrong.mean() <= mending.MAX_LOST
        assert not wrong[:126].any(), "only the last row of blocks, 16 pixels high and one more"
    assert read >= 2, "only the end marker is missing"


def test_a_progressive_file_without_its_last_scan_is_refused(drawn, jpeg):
    data = jpeg(drawn(3, (200, 150)), progressive=True)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(CorruptPicture):
        decode(data[:last])
    with pytest.raises(CorruptPicture):
        decode(data[: data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)])


@pytest.mark.parametrize(
    ("marker", "body"),
    [
        (0xE0, b"JFIF"),
        (0xE1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40),
        (0xE2, b"ICC_PROFILE\0\1"),
        (0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
        (0xED, b"Photoshop 3.0\x008BIM"),
        (0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\1\0"),
        (0xEE, b"Adobe"),
        (0xFE, b""),
    ],
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_metadata_is_left_out(drawn, jpeg, marker, body):
    data = jpeg(drawn(1))
    damaged = data[:2] + bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body + data[2:]
    assert np.array_equal(np.asarray(decode(damaged).pixels), np.asarray(decode(data).pixels))


def test_the_check_decodes_nothing_beyond_the_pixel_limit(drawn, jpeg):
    data = jpeg(drawn(1, (200, 150)))[:-2]
    assert mending.completed(data, 200 * 150) is not None
    assert mending.completed(data, 200 * 150 - 1) is None
    with pytest.raises(CorruptPicture):
        decode(data[:400], Limits(max_pixels=200 * 150))
