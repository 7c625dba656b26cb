"""The page that shows a machine's screen: noVNC, and the socket by which it speaks with the machine.

It is not part of the public API; a console's address leads here. Its ticket stands behind a #, so that it is neither
sent with the page nor logged; the socket takes it as a parameter.
"""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from litestar import Response, Router, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath

from pileus.api.auth import OPEN
from pileus.api.context import AppState  # noqa: TC001  # a local's type
from pileus.domain.errors import not_found
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.consoles import Screens
from pileus.drivers.protocols.errors import DriverError

Socket = WebSocket[Any, Any, Any]
HERE = Path(__file__).parents[1] / "screens"
LIBRARIES = (HERE / "node_modules/@novnc/novnc", Path("/usr/share/novnc"))
"""Where noVNC may be: as the package has it, or as Debian does."""
KINDS = {".js": "text/javascript", ".css": "text/css"}
MISSING = (
    "<!doctype html><title>Console</title><p>This server has no noVNC, which shows the screen. Whoever runs it gets it"
    " by <code>scripts/novnc</code> (which needs npm), or by Debian's package <code>novnc</code>.</p>"
)
STRICT = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
        " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LARGEST, CHUNK = 1 << 20, 1 << 16
"""Bytes of a message from a browser, and of one to it."""
REFUSED = 4403
"""Why the socket is closed (RFC 6455, 7.4.2: a number of our own)."""


@get("/screens", opt=OPEN, include_in_schema=False)
async def show_screen() -> Response[str]:
    """The page."""
    there = _library() is not None
    page = (HERE / "page.html").read_text("utf-8") if there else MISSING
    status = 200 if there else 503
    return Response(page, status_code=status, media_type="text/html", headers=STRICT | {"Cache-Control": "no-store"})


@get("/screens/static/{path:path}", opt=OPEN, include_in_schema=False)
async def show_screen_file(path: FromPath[Path]) -> Response[bytes]:
    """What the page is made of: scripts and styles, its own and noVNC's."""
    wanted = str(path).lstrip("/")
    library = _library()
    inside = wanted.startswith("novnc/") and library is not None
    root, name = (library, wanted.removeprefix("novnc/")) if inside and library else (HERE, wanted)
    file = (root / name).resolve()
    if not file.is_relative_to(root.resolve()) or file.suffix not in KINDS or not file.is_file():
        raise not_found("File", wanted)
    return Response(file.read_bytes(), media_type=KINDS[file.suffix], headers=STRICT | {"Cache-Control": "no-cache"})


@websocket("/screens/socket", opt=OPEN)
async def open_screen(socket: Socket) -> None:
    """Let a browser and a machine speak with each other, if the browser has a ticket and comes from our own page."""
    cloud: AppState = socket.app.state.cloud
    await socket.accept(subprotocols="binary")
    ends = await _screen(socket, cloud.driver) if _own(socket) else None
    if ends is None:
        await socket.close(REFUSED)
        return
    try:
        await _relay(socket, *ends)
    finally:
        ends[1].close()


async def _screen(socket: Socket, driver: Compute) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """The screen that a ticket is for; None without one that is right. Why, is nobody's business."""
    if not isinstance(driver, Screens):
        return None
    try:
        return await driver.screen(socket.query_params.get("ticket", ""))
    except DriverError:
        return None


def _own(socket: Socket) -> bool:
    """Whether a browser says that it shows our own page; what is no browser says nothing."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


async def _relay(socket: Socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what each says until one of them has ended."""
    both = [asyncio.create_task(_to_machine(socket, writer)), asyncio.create_task(_to_browser(socket, reader))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _to_machine(socket: Socket, writer: asyncio.StreamWriter) -> None:
    while True:
        try:
            said = await socket.receive_bytes()
        except WebSocketDisconnect:
            return
        if len(said) > LARGEST:
            await socket.close(1009)
            return
        writer.write(said)
        await writer.drain()


async def _to_browser(socket: Socket, reader: asyncio.StreamReader) -> None:
    while said := await reader.read(CHUNK):
        await socket.send_bytes(said)
    await socket.close()


def _library() -> Path | None:
    return next((each for each in LIBRARIES if (each / "core/rfb.js").is_file()), None)


ROUTER = Router("/", route_handlers=[show_screen, show_screen_file, open_screen])
