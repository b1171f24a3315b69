"""Draw on two pictures what each place adds to their similarity, for the command ``compare``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from copysight.errors import InvalidArgument
from copysight.model import attention_maps as drawing
from copysight.model.embedder import Embedder
from copysight.model.explanation import Part, explain
from copysight.scoring.query_views import QueryView


def drawn(embedder: Embedder, views: Sequence[QueryView], pictures: Sequence[Image.Image], out: Path) -> dict[str, Any]:
    """Explain the similarity of one view of each of two ``pictures``, and draw it to ``out``. Returns it for JSON.

    Raises ``OutputMissing`` for a bundle without contributions, ``InvalidArgument`` for a file name of no picture.
    """
    if out.suffix.lower() not in Image.registered_extensions():
        raise InvalidArgument(f"got the file name {out}; needed is .png or .jpg")
    one, other = (Part.of(view.pixels, view.region, view.turn) for view in views)
    found = explain(embedder, one, other)
    out.parent.mkdir(parents=True, exist_ok=True)
    drawing.side_by_side(pictures, (found.one, found.other)).save(out)
    return found.to_json()
