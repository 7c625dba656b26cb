"""Files that the server sends as they are: pages, scripts, styles, pictures."""

from collections.abc import Mapping
from pathlib import Path

from litestar import Response

from pileus.domain.errors import not_found

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
"""Files with other suffixes are not sent."""


def send_file(folder: Path, path: str, headers: Mapping[str, str]) -> Response[bytes]:
    """Return a file below a folder, which the client asks for again each time. Raises NotFound."""
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()) or file.suffix not in MEDIA_TYPES or not file.is_file():
        raise not_found("File", path)
    return Response(
        file.read_bytes(), media_type=MEDIA_TYPES[file.suffix], headers={**headers, "Cache-Control": "no-cache"}
    )
