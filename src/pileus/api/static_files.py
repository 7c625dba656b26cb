"""Files that the server sends as they are: pages, scripts, styles, pictures."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from litestar import Response
from msgspec import Struct

from pileus.api.requests import BodyDecodingRequest
from pileus.api.script_bundles import ScriptBundle
from pileus.domain.errors import not_found

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
"""Files with other suffixes are not sent."""
NOT_MODIFIED = 304
ENTRY = "main.js"
COMMENT = re.compile(rb"\s*(//|/\*\*|\*/? |\*/$|\*$)")
"""How lines of comments begin in scripts."""
CONTINUED = (b"(", b",", b"[", b"{")
"""What ends lines of scripts whose line breaks mean nothing."""


class CompressedFile(Struct, frozen=True, kw_only=True):
    """A file in both forms, with its digest."""

    plain: bytes
    compressed: bytes
    etag: str


def send_file(folder: Path, path: str, headers: Mapping[str, str]) -> Response[bytes]:
    """Return a file below a folder, which the client asks for again each time. Raises NotFound."""
    file = _require_file(folder, path)
    return Response(
        file.read_bytes(), media_type=MEDIA_TYPES[file.suffix], headers={**headers, "Cache-Control": "no-cache"}
    )


def send_compressed_file(
    request: BodyDecodingRequest, folder: Path, path: str, headers: Mapping[str, str]
) -> Response[bytes]:
    """Return a text below a folder, compressed if the client can read that, or 304 if it has it. Raises NotFound.

    The script `main.js` contains all modules that it imports.
    """
    file = _require_file(folder, path)
    content = _read_compressed(file, folder / ENTRY, max(other.stat().st_mtime_ns for other in folder.iterdir()))
    is_compressed = "gzip" in request.headers.get("accept-encoding", "")
    all_headers = {**headers, "Cache-Control": "no-cache", "ETag": content.etag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == content.etag:
        return Response(b"", status_code=NOT_MODIFIED, headers=all_headers)
    if is_compressed:
        all_headers["Content-Encoding"] = "gzip"
    body = content.compressed if is_compressed else content.plain
    return Response(body, media_type=MEDIA_TYPES[file.suffix], headers=all_headers)


def strip_comments(script: bytes) -> bytes:
    """Return a script without indentation, empty lines, lines of comments, and line breaks in lists and blocks.

    It expects no lines in strings, and no line of code that begins as a comment does.
    """
    lines = (line.strip() for line in script.splitlines() if not COMMENT.match(line))
    return b"".join(line if _is_continued(line) else line + b"\n" for line in lines if line)


def _is_continued(line: bytes) -> bool:
    """Return whether the line break after a line means nothing; it ends a comment."""
    return line.endswith(CONTINUED) and b"//" not in line


def _require_file(folder: Path, path: str) -> Path:
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()) or file.suffix not in MEDIA_TYPES or not file.is_file():
        raise not_found("File", path)
    return file


@lru_cache(128)
def _read_compressed(file: Path, entry: Path, changed_at: int) -> CompressedFile:  # noqa: ARG001  # read again if changed
    plain = file.read_bytes()
    if file.suffix == ".js":
        plain = strip_comments(ScriptBundle(entry).render(file).encode())
    etag = f'"{hashlib.sha256(plain).hexdigest()[:16]}"'
    return CompressedFile(plain=plain, compressed=gzip.compress(plain, mtime=0), etag=etag)
