"""One HTML file with all groups and their pictures. It needs no other file, no server and no network.

The facts of all groups are one JSON text; the thumbnails are JSON texts of ``CHUNK`` groups each, which the page reads
when it shows them. So a report of 10,000 groups opens at once and shows ``PAGE`` groups at a time. A text is in pieces,
because Chromium leaves an element empty whose text has some millions of characters.
"""

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from copysight.duplicates.answer import Answer
from copysight.duplicates.groups import Group
from copysight.duplicates.picture import Picture
from copysight.system import durable

TEMPLATE = Path(__file__).with_name("report.html")
CHUNK = 50
PIECE = 2**17
"""Characters of an element."""
SIDES = ((2_000, 256), (10_000, 192), (40_000, 128))
"""Longest side of a thumbnail in pixels, by the number of pictures up to which it is used."""
SMALLEST = 96
QUALITY = 60
MOST_MEMBERS = 60
"""Members of a group with a thumbnail; the page names the others."""


class Report:
    """The report of an answer. ``thumbnail`` returns the RGB pixels of a picture by number, or None."""

    def __init__(self, answer: Answer, thumbnail: Callable[[int], Image.Image | None]) -> None:
        self._answer = answer
        self._thumbnail = thumbnail
        count = sum(1 + len(group.members) for group in answer.groups)
        self._side = next((side for most, side in SIDES if count <= most), SMALLEST)

    def write(self, path: Path) -> None:
        """Write the page, as a whole or not at all. Raises ``NotWritable``."""
        before, after = TEMPLATE.read_text().split("<!-- data -->")
        with durable.writable(path), durable.new_file(path) as new, new.open("w", errors="backslashreplace") as file:
            file.write(before)
            file.writelines(self._parts())
            file.write(after)

    def _parts(self) -> Iterator[str]:
        groups = self._answer.groups
        facts = [self._group(group) for group in groups]
        yield from _script("groups", {"total": self._answer.total(), "groups": facts})
        for start in range(0, len(groups), CHUNK):
            pictures = [self._pictures(group) for group in groups[start : start + CHUNK]]
            yield from _script(f"pictures-{start // CHUNK}", pictures)

    def _group(self, group: Group) -> dict[str, Any]:
        pictures = self._answer.pictures
        members = [[*_facts(pictures[one.number]), round(one.probability, 4), one.kind] for one in group.members]
        return {"keep": _facts(pictures[group.keep]), "why": self._answer.reason(group), "members": members}

    def _pictures(self, group: Group) -> Sequence[str]:
        shown = [group.keep, *(one.number for one in group.members[:MOST_MEMBERS])]
        return [self._encoded(number) for number in shown]

    def _encoded(self, number: int) -> str:
        picture = self._thumbnail(number)
        if picture is None:
            return ""
        small = picture.copy()
        small.thumbnail((self._side, self._side))
        out = io.BytesIO()
        small.save(out, "WEBP", quality=QUALITY)
        return base64.b64encode(out.getvalue()).decode()


def _facts(picture: Picture) -> list[Any]:
    return [picture.path, picture.width, picture.height, picture.bytes, picture.format, picture.taken, picture.camera]


def _script(name: str, content: Any) -> Iterator[str]:
    """JSON that the page reads, in elements that it joins; no text in it can end one."""
    text = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    for start in range(0, len(text), PIECE):
        yield f'<script type="application/json" class="{name}">{text[start : start + PIECE]}</script>\n'
