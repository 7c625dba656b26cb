"""The web console: a page that uses the public API, its scripts and styles, and signing in with a ticket.

It is not part of the public API. The scripts keep the key of a session in the tab, and send it in a header. No route
reads a cookie, so no other site can act for the user, and no other page can show the console in a frame
([decision 41](docs/decisions/0041-the-web-console-is-a-client-without-a-build.md)).
"""

from pathlib import Path

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from pileus import __version__
from pileus.api.authorization import OPEN, READ
from pileus.api.context import AppState, Ctx
from pileus.api.request_log.exchanges import UNLOGGED
from pileus.api.requests import BodyDecodingRequest
from pileus.api.static_files import send_compressed_file
from pileus.api.wire.account.console_sessions import ConsoleCallerView, ConsoleSessionView, StartConsoleSession
from pileus.api.wire.times import format_zulu
from pileus.domain.account.access import Access, is_allowed
from pileus.domain.errors import NotFound, Unauthenticated
from pileus.drivers.protocols.compute import SupportsSimulation
from pileus.services.account.console_tickets import start_console_session

FOLDER = Path(__file__).parents[2] / "console" / "files"
ROOT = "/ui"
PUBLIC = OPEN | UNLOGGED
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@get(f"{ROOT}/session", opt=READ | UNLOGGED, include_in_schema=False)
async def get_web_console_session(ctx: Ctx) -> ConsoleCallerView:
    """Return who has signed in, and what the server lets them do."""
    return ConsoleCallerView(
        email=ctx.caller.email,
        role=ctx.caller.role,
        client_id=ctx.caller.client_id,
        version=__version__,
        may_write=is_allowed(ctx.caller.role, Access.WRITE),
        may_administer=is_allowed(ctx.caller.role, Access.ADMINISTER),
        may_operate=is_allowed(ctx.caller.role, Access.OPERATE),
        control_obstacle=ctx.app.control_obstacle,
        is_simulated=ctx.app.drivers.any_has(SupportsSimulation),
        time=format_zulu(ctx.now()),
    )


@get("/", opt=PUBLIC, include_in_schema=False)
async def get_start_page(request: BodyDecodingRequest) -> Response[bytes]:
    """Return the web console to browsers, and 404 to clients of the API."""
    if "text/html" not in request.headers.get("accept", ""):
        raise NotFound("/ could not be found")
    return _send_page(request)


@get([ROOT, f"{ROOT}/{{path:path}}"], opt=PUBLIC, include_in_schema=False)
async def get_web_console_page(request: BodyDecodingRequest) -> Response[bytes]:
    """Return the web console, whose scripts read the rest of the address."""
    return _send_page(request)


@get(f"{ROOT}/files/{{path:path}}", opt=PUBLIC, include_in_schema=False)
async def get_web_console_file(request: BodyDecodingRequest, path: FromPath[Path]) -> Response[bytes]:
    """Return a script or a style of the web console."""
    return send_compressed_file(request, FOLDER, str(path).lstrip("/"), SECURITY_HEADERS)


@post(f"{ROOT}/session", opt=PUBLIC, include_in_schema=False, status_code=201)
async def start_web_console_session(
    app_state: NamedDependency[AppState], data: JSONBody[StartConsoleSession]
) -> Response[ConsoleSessionView]:
    """Start a session with a ticket that `pileus serve` or `pileus console` has printed. A ticket is valid once."""
    started = await app_state.db.write(lambda tx: start_console_session(tx, data.ticket, app_state.now()))
    if started is None:
        raise Unauthenticated("The ticket is not valid: it was used, or is older than 10 minutes")
    key, token = started
    view = ConsoleSessionView(token=token, expires_at=format_zulu(key.expires_at or 0))
    return Response(view, headers={"Cache-Control": "no-store", **SECURITY_HEADERS})


def _send_page(request: BodyDecodingRequest) -> Response[bytes]:
    return send_compressed_file(request, FOLDER, "index.html", SECURITY_HEADERS)


ROUTES = [
    get_start_page,
    get_web_console_page,
    get_web_console_file,
    get_web_console_session,
    start_web_console_session,
]
