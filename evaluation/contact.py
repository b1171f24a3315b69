"""Contact sheets as one self-contained HTML page."""

import base64
import html
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

SIDE = 112
STYLE = (
    "body{font:15px system-ui;margin:2rem;background:#fff;color:#222}h2{font-size:1rem;margin:1.5rem 0 .4rem}"
    "img{height:112px;margin:2px}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}}"
)


def page(title: str, sheets: Sequence[tuple[str, Sequence[Image.Image]]]) -> str:
    """A page of ``sheets``: a heading each, and its pictures."""
    body = "".join(
        f"<h2>{html.escape(name)}</h2><div>{''.join(map(_image, pictures))}</div>" for name, pictures in sheets
    )
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{html.escape(title)}</h1>{body}</body></html>\n'
    )


def _image(picture: Image.Image) -> str:
    small = picture.resize((max(1, round(SIDE * picture.width / picture.height)), SIDE), Image.Resampling.LANCZOS)
    out = BytesIO()
    small.save(out, "JPEG", quality=80)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}">'
