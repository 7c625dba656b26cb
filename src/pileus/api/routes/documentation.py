"""The documentation site, if it was built into the package by `make site`."""

from pathlib import Path
from typing import Any

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect

from pileus.api.authorization import OPEN
from pileus.api.static_files import send_file

FOLDER = Path(__file__).parents[1] / "documentation"
POLICY = "content-security-policy.txt"
START_PAGE = "/docs/index.html"
MISSING = (
    "<!doctype html><title>Documentation</title><p>This server was installed without its documentation."
    " In a checkout, <code>make site</code> builds it. The API reference is at <a href='/schema'>/schema</a>.</p>"
)


@get("/docs", opt=OPEN, include_in_schema=False, status_code=307)
async def get_documentation() -> Response[Any]:
    """Redirect to the start page, or return 404 with a page that says how to build the documentation."""
    if not (FOLDER / POLICY).is_file():
        return Response(MISSING, status_code=404, media_type="text/html")
    return Redirect(START_PAGE, status_code=307)


@get("/docs/{path:path}", opt=OPEN, include_in_schema=False)
async def get_documentation_file(path: FromPath[Path]) -> Response[bytes]:
    """Return a page of the documentation, or a file that it uses."""
    policy = FOLDER / POLICY
    headers = {"Content-Security-Policy": policy.read_text("utf-8")} if policy.is_file() else {}
    return send_file(FOLDER, str(path).lstrip("/"), {**headers, "X-Content-Type-Options": "nosniff"})


ROUTES = [get_documentation, get_documentation_file]
