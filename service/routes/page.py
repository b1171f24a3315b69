"""Serve the web page at ``/`` and the API documentation at ``/docs``.

The files are read once and sent compressed. Their content security policy allows no resources of other sites.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.http import etags

router = APIRouter(include_in_schema=False)
FOLDER = Path(__file__).parent.parent / "ui"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",  # the browser revalidates (usually 304), so a new version shows at once
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Asset:
    """A file of the page, plain and compressed. The ETag is weak, because it stands for both forms."""

    plain: bytes
    packed: bytes
    media_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """All files of the page by path. Only these paths can be requested, so none leaves the folder."""
    return {file.relative_to(FOLDER).as_posix(): _asset(file) for file in sorted(FOLDER.rglob("*")) if file.is_file()}


@router.get("/")
async def page(request: Request) -> Response:
    """The page."""
    return _response("index.html", request)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API documentation, which the page builds from the OpenAPI document."""
    return _response("docs.html", request)


@router.get("/ui/{name:path}")
async def part(request: Request, name: str) -> Response:
    """A script, stylesheet or icon of the page."""
    return _response(name, request)


def _asset(file: Path) -> Asset:
    plain = file.read_bytes()
    kind = "text/javascript" if file.suffix == ".js" else mimetypes.guess_type(file.name)[0]
    digest = hashlib.sha256(plain).hexdigest()[:32]
    return Asset(plain, gzip.compress(plain, mtime=0), kind or "application/octet-stream", f'W/"{digest}"')


def _response(name: str, request: Request) -> Response:
    found = assets().get(name)
    if found is None:
        raise HTTPException(404)
    headers = HEADERS | {"ETag": found.etag}
    if etags.unchanged(request, found.etag):
        return etags.not_modified(headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=found.media_type)
    return Response(found.plain, headers=headers, media_type=found.media_type)
