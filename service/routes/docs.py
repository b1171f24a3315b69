"""``GET /docs``: the API as a page to try out, made from the OpenAPI text."""

import base64
import hashlib
import re
from functools import cache

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response

router = APIRouter(include_in_schema=False)
SHELF = "https://cdn.jsdelivr.net"


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The page; its browser loads Swagger UI from a public shelf, and may run nothing else."""
    page = _page(request.app.title)
    return Response(page, headers={"Content-Security-Policy": policy(page)}, media_type="text/html")


def policy(page: str) -> str:
    """A policy that allows the shelf and this page's own script, named by its checksum."""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    own = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {SHELF} {own}; style-src {SHELF} 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def _page(title: str) -> str:
    made = get_swagger_ui_html(openapi_url="/openapi.json", title=title, swagger_favicon_url="data:,")
    return bytes(made.body).decode()
