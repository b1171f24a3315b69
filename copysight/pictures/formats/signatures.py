"""Name the format of a file by its first bytes, also of formats that are never decoded: the errors name them."""

import re
import struct

SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"WEBP", "WEBP"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"8BPS", "PSD (Photoshop)"),
    (0, b"gimp xcf", "XCF (GIMP)"),
    (0, b"%PDF-", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS (PostScript)"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"FUJIFILMCCD-RAW", "RAW camera (RAF)"),
    (0, b"IIRO", "RAW camera (ORF)"),
    (0, b"IIRS", "RAW camera (ORF)"),
    (0, b"MMOR", "RAW camera (ORF)"),
    (0, b"IIU\0", "RAW camera (RW2)"),
    (0, b"\0MRM", "RAW camera (MRW)"),
    (0, b"FOVb", "RAW camera (X3F)"),
    (0, b"II\x1a\0\0\0HEAPCCDR", "RAW camera (CRW)"),
    (0, b"\0\0\1\0", "ICO (icon)"),
    (0, b"\0\0\2\0", "CUR (cursor)"),
    (0, b"icns", "ICNS (icons)"),
    (0, b"\x8aMNG\r\n\x1a\n", "MNG (animation)"),
    (0, b"\x8bJNG\r\n\x1a\n", "JNG"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"FLIF", "FLIF"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "HDR (Radiance)"),
    (0, b"#?RGBE", "HDR (Radiance)"),
    (0, b"SIMPLE  =", "FITS"),
    (128, b"DICM", "DICOM"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF"),
    (40, b" EMF", "EMF"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM video"),
    (8, b"AVI ", "AVI video"),
    (0, b"FLV\1", "Flash video"),
    (0, b"OggS", "Ogg (video or sound)"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media video"),
    (0, b"\0\0\1\xba", "MPEG video"),
    (0, b"\0\0\1\xb3", "MPEG video"),
    (4, b"moov", "QuickTime video"),
    (4, b"mdat", "QuickTime video"),
    (8, b"WAVE", "WAV (sound)"),
    (0, b"ID3", "MP3 (sound)"),
    (0, b"fLaC", "FLAC (sound)"),
    (0, b"PK\3\4", "ZIP"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"Rar!\x1a\x07", "RAR"),
    (257, b"ustar", "tar"),
    (0, b"version https://git-lfs", "Git LFS pointer"),
)
"""Offset, bytes there, name. The first entry that fits decides."""
BRANDS = {
    "AVIF": {b"avif", b"avis"},
    "HEIC": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"},
    "RAW camera (CR3)": {b"crx "},
    "QuickTime video": {b"qt  "},
}
"""Brands of ISO media files (ISO/IEC 14496-12); a file with other brands is an MP4 video."""
STILLS = {b"mif1", b"msf1", b"mif2", b"heif", b"miaf"}
"""Major brands of still pictures of any codec."""
TEXTS = (
    (re.compile(rb"<svg[\s>]", re.IGNORECASE), "SVG (drawing)"),
    (re.compile(rb"^\s*<(!doctype\s+html|html)\b", re.IGNORECASE), "HTML"),
    (re.compile(rb"^\s*<\?xml\b", re.IGNORECASE), "XML"),
    (re.compile(rb"^P[1-7fF]\s+(#|\d|WIDTH)"), "PNM (PBM, PGM, PPM)"),
    (re.compile(rb"^/\* XPM"), "XPM"),
)
HEAD = 4096
LONG = 4
"""Type of a TIFF value of 32 bits; shorter ones are read as 16 bits."""
DNG_VERSION, SUBFILE_TYPE, MAKE, SUB_IFDS = 50706, 254, 271, 330


def name(data: bytes) -> str | None:
    """Name of the format, such as ``JPEG`` or ``HEIC``; ``None`` if it is not known."""
    if data[4:8] == b"ftyp":
        return _media(data)
    if data[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return _tiff(data)
    for offset, magic, found in SIGNATURES:
        if data[offset : offset + len(magic)] == magic and (found != "WEBP" or data[:4] == b"RIFF"):
            return found
    if data[:2] == b"BM":
        return "BMP"
    head = data[:HEAD].removeprefix(b"\xef\xbb\xbf")
    return next((found for pattern, found in TEXTS if pattern.search(head)), None)


def _media(data: bytes) -> str:
    size = min(int.from_bytes(data[:4], "big"), 256)
    for at in (8, *range(16, size - 3, 4)):  # the major brand first, then those that the file is compatible with
        for found, brands in BRANDS.items():
            if data[at : at + 4] in brands:
                return found
    return "HEIC" if data[8:12] in STILLS else "MP4 video"


def _tiff(data: bytes) -> str:
    """TIFF, or the raw file of a camera, which is a TIFF whose first page is a preview."""
    if data[8:10] == b"CR":
        return "RAW camera (CR2)"
    tags = _first_tags(data)
    if DNG_VERSION in tags:
        return "RAW camera (DNG)"
    return "RAW camera" if tags.get(SUBFILE_TYPE, 0) & 1 and {MAKE, SUB_IFDS} <= tags.keys() else "TIFF"


def _first_tags(data: bytes) -> dict[int, int]:
    """Tags of the first directory of a classic TIFF, with their values as numbers; empty if it is damaged."""
    order = "<" if data[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        entries = [struct.unpack_from(f"{order}HHI4s", data, start + 2 + 12 * at) for at in range(min(count, 512))]
    except struct.error:
        return {}
    return {
        tag: struct.unpack(f"{order}I" if kind == LONG else f"{order}Hxx", value)[0] for tag, kind, _, value in entries
    }
