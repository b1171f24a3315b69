"""A folder of drawn pictures, some files broken."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, drawn: Callable, jpeg: Callable) -> Path:
    """Six pictures in two folders, of several formats, and a file that is none."""
    root = tmp_path / "pictures"
    (root / "holiday" / "beach").mkdir(parents=True)
    for number in range(4):
        (root / f"{number}.jpg").write_bytes(jpeg(drawn(number)))
    (root / "holiday" / "beach" / "dune.PNG").write_bytes(jpeg(drawn(4), "PNG"))
    (root / "holiday" / "sea.webp").write_bytes(jpeg(drawn(5), "WEBP"))
    (root / "notes.txt").write_text("no picture")
    return root
