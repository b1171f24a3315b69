"""Write contact sheets and tables as one self-contained HTML page."""

import base64
import html
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

SIDE = 112
STYLE = (
    "body{font:15px system-ui;margin:2rem;background:#fff;color:#222}h3{font-size:1rem;margin:1.5rem 0 .4rem}"
    "td,th{padding:.1rem .8rem .1rem 0;text-align:left}"
    "img{margin:2px;max-width:100%}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}}"
)


def page(title: str, parts: Sequence[tuple[str, Sequence[Image.Image]]]) -> str:
    """Return an HTML page of contact sheets, each with a heading."""
    return document(title, sheets(parts))


def document(title: str, body: str) -> str:
    """Return an HTML page around ``body``, which must be HTML."""
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{html.escape(title)}</h1>{body}</body></html>\n'
    )


def sheets(parts: Sequence[tuple[str, Sequence[Image.Image]]], side: int = SIDE) -> str:
    """Return the HTML of headings and their pictures, ``side`` pixels high."""
    return "".join(
        f"<h3>{html.escape(name)}</h3><div>{''.join(_image(picture, side) for picture in pictures)}</div>"
        for name, pictures in parts
    )


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return an HTML table; fractions have four digits. Without a header it is empty."""
    if not header:
        return ""
    body = "".join(f"<tr>{''.join(f'<td>{_text(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{html.escape(name)}</th>' for name in header)}</tr>{body}</table>"


def _text(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else html.escape(str(value))


def _image(picture: Image.Image, side: int) -> str:
    small = picture.resize((max(1, round(side * picture.width / picture.height)), side), Image.Resampling.LANCZOS)
    out = BytesIO()
    small.save(out, "JPEG", quality=80)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}">'
