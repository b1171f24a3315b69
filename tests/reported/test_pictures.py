"""Odd picture files are decoded as people see them, and are exact only where nothing differs."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from copysight.errors import CorruptPicture, UnsupportedFormat
from copysight.index import Index
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.pictures.decode import Limits
from service.intake.decoding import ProcessDecoder, ThreadDecoder
from tests.service.conftest import serving


@pytest.fixture(scope="module", params=["threads", "processes"])
def decoder(request):
    made = ThreadDecoder(Limits()) if request.param == "threads" else ProcessDecoder(1, Limits(), 2**29, 20)
    yield made
    made.close()


@pytest.fixture(scope="module")
def embedder():
    return Embedder(bundles.load("default"))


def logo(drawn, seed, colour):
    """A drawing in one colour on nothing."""
    picture = Image.new("RGBA", (160, 120), (0, 0, 0, 0))
    picture.paste(colour, mask=drawn(seed).convert("L").point([0] * 128 + [255] * 128))
    return picture


def clip(drawn, seed, blank="black"):
    """Frames that begin with one that shows nothing."""
    return [Image.new("RGB", (96, 80), blank), drawn(seed, (96, 80)), drawn(seed + 100, (96, 80))]


def film(frames, kind):
    out = BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=80, **options)
    return out.getvalue()


def bmp32(picture, header):
    """A 32-bit BMP whose alpha is 0 everywhere: header V3 (56 bytes), V4 (108) or V5 (124)."""
    blue_green_red = np.asarray(picture)[::-1, :, ::-1]
    pixels = np.concatenate([blue_green_red, np.zeros((*blue_green_red.shape[:2], 1), np.uint8)], axis=-1).tobytes()
    head = struct.pack("<IiiHHIIiiII", header, *picture.size, 1, 32, 3, len(pixels), 2835, 2835, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = head.ljust(header, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + header + len(pixels), 0, 0, 14 + header) + head + pixels


def with_chunk(data, kind, body, checksum=None):
    """A PNG with one more chunk behind its header."""
    checksum = zlib.crc32(kind + body) if checksum is None else checksum
    return data[:33] + struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum) + data[33:]


@pytest.mark.reported("P5")
@pytest.mark.parametrize("colour", ["white", (246, 246, 240, 255), (255, 255, 255, 128)])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_two_white_logos_on_transparent_ground_differ(decoder, embedder, drawn, jpeg, colour, kind):
    files = [jpeg(logo(drawn, seed, colour), kind) for seed in (0, 2)]
    one, other = embedder.embed([decoder.decode(data).pixels for data in files])
    assert decoder.digest(files[0]) != decoder.digest(files[1])
    assert one @ other < 0.9


@pytest.mark.reported("P5")
def test_pictures_that_differ_only_in_their_transparency_are_not_exact(decoder, jpeg):
    red = Image.new("RGBA", (32, 32), (255, 255, 255, 255))
    files = [jpeg(red, "PNG")]
    for alpha in (0, 120, 254):
        red.putpixel((5, 5), (255, 255, 255, alpha))
        files.append(jpeg(red, "PNG"))
    assert len({decoder.digest(data) for data in files}) == 4
    assert decoder.digest(files[0]) == decoder.digest(jpeg(red.convert("RGB"), "BMP"))


@pytest.mark.reported("P5")
def test_a_black_logo_stays_on_white(decoder, drawn, jpeg):
    layer = logo(drawn, 0, "black")
    on_white = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    assert np.array_equal(np.asarray(decoder.decode(jpeg(layer, "PNG")).pixels), np.asarray(on_white))


@pytest.mark.reported("P6")
@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("blank", ["black", "white", "#204060"])
def test_two_clips_that_begin_with_a_blank_frame_differ(decoder, drawn, kind, blank):
    files = [film(clip(drawn, seed, blank), kind) for seed in (1, 2)]
    for data, seed in zip(files, (1, 2), strict=True):
        shown = np.asarray(decoder.decode(data).pixels, float)
        assert np.abs(shown - np.asarray(drawn(seed, (96, 80)), float)).mean() < 20
    assert decoder.digest(files[0]) != decoder.digest(files[1])


@pytest.mark.reported("P6")
@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_a_clip_is_not_exact_with_another_end_nor_with_its_first_frame(decoder, drawn, kind):
    first = drawn(1, (96, 80))
    files = [film([first, drawn(seed, (96, 80))], kind) for seed in (2, 3)]
    still = BytesIO()
    first.save(still, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert len({decoder.digest(data) for data in (*files, still.getvalue())}) == 3


@pytest.mark.reported("P7")
@pytest.mark.parametrize("header", [56, 108, 124])
def test_a_bitmap_whose_alpha_is_zero_is_not_a_white_sheet(decoder, drawn, jpeg, header):
    files = [bmp32(drawn(seed), header) for seed in (1, 2)]
    for data, seed in zip(files, (1, 2), strict=True):
        assert np.array_equal(np.asarray(decoder.decode(data).pixels), np.asarray(drawn(seed)))
        assert decoder.digest(data) == decoder.digest(jpeg(drawn(seed), "PNG"))


@pytest.mark.reported("P8")
def test_a_file_of_a_stereo_camera_is_a_jpeg(decoder, drawn):
    data = film([drawn(1), drawn(2)], "MPO")
    found = decoder.decode(data)
    assert (found.format, found.width, found.height) == ("JPEG", 160, 120)
    assert np.abs(np.asarray(found.pixels, float) - np.asarray(drawn(1), float)).mean() < 8


@pytest.mark.reported("P9")
@pytest.mark.parametrize(
    ("kind", "body", "checksum"),
    [
        (b"zTXt", b"note\0\0" + zlib.compress(b"x" * 1_600_000), None),
        (b"iTXt", b"note\0\1\0\0\0" + zlib.compress(b"x" * 1_600_000), None),
        (b"iCCP", b"profile\0\0" + zlib.compress(bytes(1_500_000)), None),
        (b"iCCP", b"profile\0\7", None),
        (b"tEXt", b"note\0text", 7),
        (b"gAMA", b"\0", None),
        (b"cHRM", b"\0\0", None),
        (b"pHYs", b"\0", None),
        (b"tRNS", b"\0", None),
        (b"acTL", b"\0", None),
        (b"fcTL", bytes(26), None),
        (b"teSt", b"private", 1),
    ],
)
def test_notes_in_a_png_do_not_spoil_its_pixels(decoder, drawn, jpeg, kind, body, checksum):
    data = jpeg(drawn(1), "PNG")
    assert decoder.digest(with_chunk(data, kind, body, checksum)) == decoder.digest(data)


@pytest.mark.reported("P9")
def test_what_follows_the_pixels_of_a_png_may_be_damaged(decoder, drawn, jpeg):
    data = jpeg(drawn(1), "PNG")
    whole = decoder.digest(data)
    late = struct.pack(">I", 500) + b"tEXt" + b"cut"
    for damaged in (data[:-12] + late, data[:-12], data[:-16], data[:-18], data + b"garbage", data[:-14] + b"\7" * 14):
        assert decoder.digest(damaged) == whole


@pytest.mark.reported("P10")
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("fill", [b"", b"\0" * 50])
def test_a_jpeg_without_its_end_is_read(decoder, drawn, jpeg, progressive, lost, fill):
    data = jpeg(drawn(1, (320, 200)), progressive=progressive)
    assert decoder.digest(data[:-lost] + fill) == decoder.digest(data)


@pytest.mark.reported("P10")
@pytest.mark.parametrize(("kind", "options"), [("WEBP", {}), ("WEBP", {"lossless": True}), ("GIF", {}), ("BMP", {})])
def test_a_file_that_lost_nothing_but_its_last_byte_is_read(decoder, drawn, jpeg, kind, options):
    picture = drawn(1, (161, 121))
    data = next(
        one for side in range(150, 170) if (one := jpeg(picture.resize((side, 121)), kind, **options))[-1:] in b"\0;"
    )
    assert decoder.digest(data[:-1]) == decoder.digest(data)
    if kind == "WEBP":
        assert decoder.digest(data[:4] + bytes(4) + data[8:]) == decoder.digest(data)


@pytest.mark.reported("P10")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
@pytest.mark.filterwarnings("ignore")
def test_a_file_that_lost_pixels_is_refused(decoder, drawn, jpeg, kind, share):
    data = jpeg(drawn(2, (320, 200)), kind)
    with pytest.raises(CorruptPicture):
        decoder.decode(data[: int(len(data) * share)], 64)


@pytest.mark.reported("P11")
def test_a_dark_picture_of_16_bits_is_dark_whatever_its_maximum(decoder, jpeg):
    ramp = np.linspace(0, 1, 40 * 40).reshape(40, 40)
    files = [
        jpeg(Image.fromarray((ramp * most).astype(np.uint16)), kind) for most in (249, 259) for kind in ("PNG", "TIFF")
    ]
    assert all(np.asarray(decoder.decode(data).pixels).max() <= 1 for data in files)
    digests = [decoder.digest(data) for data in files]
    assert digests[0] == digests[1] != digests[2] == digests[3], "16 bits count, not the 8 that are shown"


@pytest.mark.reported("P12")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_only_exif_turns_a_picture(decoder, drawn, jpeg, kind):
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    options = {"JPEG": {"xmp": xmp}, "PNG": {"pnginfo": text}, "TIFF": {"tiffinfo": {700: xmp}}}.get(kind, {"xmp": xmp})
    assert decoder.decode(jpeg(drawn(1), kind, **options)).pixels.size == (160, 120)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decoder.decode(jpeg(drawn(1), kind, exif=exif))
    assert turned.pixels.size == (turned.width, turned.height) == (120, 160)


@pytest.mark.reported("P17")
@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC file"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC file"),
        (b"\0\0\0\x20ftypisom\0\0\0\0isomiso2avc1mp41", "an MP4 video file"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a QuickTime video file"),
        (b"\xff\x0a\0\0", "a JPEG XL file"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL file"),
        (b"8BPS\0\1", "a PSD (Photoshop) file"),
        (b"%PDF-1.7", "a PDF file"),
        (b"<?xml version='1.0'?>\n<!-- made -->\n<svg xmlns='x'/>", "an SVG (drawing) file"),
        (b"<!DOCTYPE html><html>", "an HTML file"),
        (b"\x1a\x45\xdf\xa3", "a Matroska or WebM video file"),
        (b"PK\3\4", "a ZIP file"),
        (b"II*\0\x10\0\0\0CR\2\0", "a RAW camera (CR2) file"),
        (b"II*\0\x08\0\0\0\1\0\x12\xc6\1\0\4\0\0\0\1\4\0\0\0\0\0\0", "a RAW camera (DNG) file"),
    ],
)
def test_the_error_names_the_format_that_came(decoder, head, name):
    with pytest.raises(UnsupportedFormat, match="send one of JPEG, PNG") as caught:
        decoder.decode(head + bytes(64))
    assert f"got {name}" in caught.value.message


@pytest.mark.reported("P17")
@pytest.mark.parametrize("kind", ["TIFF", "AVIF"])
def test_tiff_and_avif_are_read(decoder, drawn, jpeg, kind):
    found = decoder.decode(jpeg(drawn(1), kind))
    assert (found.format, found.width, found.height) == (kind, 160, 120)
    assert np.abs(np.asarray(found.pixels, float) - np.asarray(drawn(1), float)).mean() < 8


@pytest.mark.reported("P5")
def test_the_service_says_exact_only_where_nothing_differs(tmp_path, tiny_bundle, drawn, jpeg):
    Index.create(tmp_path / "index", str(tiny_bundle.path)).close()
    rows = {
        "logos": (jpeg(logo(drawn, 0, "white"), "PNG"), jpeg(logo(drawn, 2, "white"), "PNG")),
        "clips": (film(clip(drawn, 1), "GIF"), film(clip(drawn, 2), "GIF")),
        "bitmaps": (bmp32(drawn(1), 124), bmp32(drawn(2), 124)),
        "same": (bmp32(drawn(1), 124), jpeg(drawn(1), "TIFF")),
    }
    with serving(tmp_path / "index", decode="process") as server:
        for name, pair in rows.items():
            files = [("file", (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(pair)]
            answer = server.http.post("/compare", files=files).json()
            assert (answer["verdict"] == "exact") == (name == "same"), (name, answer)
