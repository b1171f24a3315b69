"""Facts that a picture file states of itself, read from its header: format, date of exposure, camera."""

import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

MAKE, MODEL, DATE_TIME, EXIF, DATE_ORIGINAL = 0x010F, 0x0110, 0x0132, 0x8769, 0x9003
DATE = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", re.ASCII)
LONGEST = 200
"""Characters of a camera."""
UNSTORABLE = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Exposure:
    """``format`` as Pillow names it; ``taken``: ISO 8601 without a zone; ``camera``: maker and model. None: unknown."""

    format: str | None = None
    taken: str | None = None
    camera: str | None = None


def exposure(file: Path | BytesIO) -> Exposure:
    """Read the facts of a picture file. A file that cannot be read has none."""
    try:
        with Image.open(file) as opened:
            return of_picture(opened)
    except Exception:  # noqa: BLE001 - a file that cannot be opened costs only a hint
        return Exposure()


def of_picture(opened: Image.Image) -> Exposure:
    """The facts of an opened picture; damaged EXIF has none."""
    kind = "HEIF" if opened.format in {"HEIC", "HEIF"} else opened.format
    try:
        exif = opened.getexif()
        taken = exif.get_ifd(EXIF).get(DATE_ORIGINAL) or exif.get(DATE_TIME)
        maker, model = (UNSTORABLE.sub("", str(exif.get(tag, ""))).strip() for tag in (MAKE, MODEL))
    except Exception:  # noqa: BLE001 - damaged EXIF raises errors of many kinds, and costs only a hint
        return Exposure(kind)
    camera = model if model.startswith(maker) else f"{maker} {model}"
    return Exposure(kind, _iso(str(taken)), camera.strip()[:LONGEST] or None)


def _iso(text: str) -> str | None:
    found = DATE.match(text)
    return f"{found[1]}-{found[2]}-{found[3]}T{found[4]}" if found and found[1] != "0000" else None
