"""The web page of a console: noVNC, and the WebSocket between the browser and the machine.

It is not part of the public API; console URLs lead here. The ticket is in the fragment of the URL, so that it is
neither sent with the page nor logged; the WebSocket takes it as a parameter.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from litestar import Response, Router, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath

from pileus.api.authorization import OPEN
from pileus.api.context import AppState  # the type of a local variable
from pileus.api.static_files import send_file
from pileus.drivers.protocols.consoles import SupportsScreenStreams
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.regions import RegionDrivers

if TYPE_CHECKING:
    from pileus.api.remote_screens import RemoteScreen

Socket = WebSocket[Any, Any, Any]
FOLDER = Path(__file__).parents[1] / "screens"
LIBRARIES = (FOLDER / "node_modules/@novnc/novnc", Path("/usr/share/novnc"))
"""Possible places of noVNC: the npm package, and Debian's."""
MISSING = (
    "<!doctype html><title>Console</title><p>This server has no noVNC, which shows the screen. Install it"
    " with <code>scripts/novnc</code> (needs npm), or with Debian's package <code>novnc</code>.</p>"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
        " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
MAX_MESSAGE, CHUNK = 1 << 20, 1 << 16
"""Bytes of a message from a browser, and of one to a browser."""
FORBIDDEN = 4403
"""A private close code (RFC 6455, 7.4.2)."""
TOO_BIG = 1009
"""The close code for a message that is too big."""


@get("/screens", opt=OPEN, include_in_schema=False)
async def get_console_page() -> Response[str]:
    """Return the page of a console, or 503 if noVNC is not installed."""
    installed = _find_library() is not None
    page = (FOLDER / "page.html").read_text("utf-8") if installed else MISSING
    status = 200 if installed else 503
    return Response(
        page, status_code=status, media_type="text/html", headers=SECURITY_HEADERS | {"Cache-Control": "no-store"}
    )


@get("/screens/static/{path:path}", opt=OPEN, include_in_schema=False)
async def get_console_page_file(path: FromPath[Path]) -> Response[bytes]:
    """Return a script or a style of the page or of noVNC."""
    relative, library = str(path).lstrip("/"), _find_library()
    if relative.startswith("novnc/") and library:
        return send_file(library, relative.removeprefix("novnc/"), SECURITY_HEADERS)
    return send_file(FOLDER, relative, SECURITY_HEADERS)


@websocket("/screens/socket", opt=OPEN)
async def relay_console_websocket(socket: Socket) -> None:
    """Relay data between a browser and a machine, if the browser has a valid ticket and is on our own page."""
    state: AppState = socket.app.state.app_state
    await socket.accept(subprotocols="binary")
    streams = await _open_stream(socket, state.drivers) if _is_same_origin(socket) else None
    if streams is not None:
        try:
            await _relay(_copy_to_machine(socket, streams[1]), _copy_to_browser(socket, streams[0]))
        finally:
            streams[1].close()
    elif not await _relay_to_home(socket, state):
        await socket.close(FORBIDDEN)


async def _relay_to_home(socket: Socket, state: AppState) -> bool:
    """Relay data between a browser and a machine that another server has; return False for a wrong ticket."""
    if not (_is_same_origin(socket) and state.drivers.any_remote_has(SupportsScreenStreams)):
        return False
    from pileus.api.remote_screens import FORWARDED, open_remote_screen  # noqa: PLC0415  # it takes long to load

    if FORWARDED in socket.query_params:
        return False
    async with open_remote_screen(state.db, socket.query_params.get("ticket", "")) as screen:
        if screen is None:
            return False
        await _relay(_copy_to_home(socket, screen), _copy_from_home(socket, screen))
    return True


async def _open_stream(
    socket: Socket, drivers: RegionDrivers
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """Open the screen of the ticket, in the driver that has issued it; None for a wrong ticket, without a reason."""
    for entry in drivers.running:
        if isinstance(entry.driver, SupportsScreenStreams):
            with suppress(DriverError):
                return await entry.driver.open_screen_stream(socket.query_params.get("ticket", ""))
    return None


def _is_same_origin(socket: Socket) -> bool:
    """Return whether the request comes from our own page. Only browsers send an origin."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


async def _relay(*directions: Coroutine[Any, Any, None]) -> None:
    """Copy data in both directions until one side closes."""
    copies = [asyncio.create_task(direction) for direction in directions]
    try:
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in copies:
            task.cancel()
        await asyncio.gather(*copies, return_exceptions=True)


async def _receive_messages(socket: Socket) -> AsyncIterator[bytes]:
    """Yield what a browser sends, until it closes or sends too much at once."""
    while True:
        try:
            message = await socket.receive_bytes()
        except WebSocketDisconnect:
            return
        if len(message) > MAX_MESSAGE:
            await socket.close(TOO_BIG)
            return
        yield message


async def _copy_to_machine(socket: Socket, writer: asyncio.StreamWriter) -> None:
    async for message in _receive_messages(socket):
        writer.write(message)
        await writer.drain()


async def _copy_to_home(socket: Socket, screen: "RemoteScreen") -> None:
    async for message in _receive_messages(socket):
        await screen.write(message)


async def _copy_from_home(socket: Socket, screen: "RemoteScreen") -> None:
    async for message in screen.read():
        await socket.send_bytes(message)
    await socket.close()


async def _copy_to_browser(socket: Socket, reader: asyncio.StreamReader) -> None:
    while chunk := await reader.read(CHUNK):
        await socket.send_bytes(chunk)
    await socket.close()


def _find_library() -> Path | None:
    return next((folder for folder in LIBRARIES if (folder / "core/rfb.js").is_file()), None)


ROUTER = Router("/", route_handlers=[get_console_page, get_console_page_file, relay_console_websocket])
