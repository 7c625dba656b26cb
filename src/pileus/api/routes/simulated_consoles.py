"""The web page behind the console URLs of simulated machines, which have no screen.

It is not part of the public API. The page is the same for every machine, so it needs no key and no valid token.
"""

from litestar import Response, get
from litestar.params import FromPath

from pileus.api.authorization import OPEN
from pileus.api.routes.consoles import SECURITY_HEADERS

PAGE = (
    "<!doctype html><title>Console</title>"
    "<p>This machine is simulated: it has no screen. For real machines, start the server with"
    " <code>--driver qemu</code>."
)


@get("/console/{console_type:str}", opt=OPEN, include_in_schema=False)
async def get_simulated_console_page(console_type: FromPath[str]) -> Response[str]:  # noqa: ARG001  # part of the path
    """Return a page that says that there is no screen."""
    return Response(PAGE, media_type="text/html", headers=SECURITY_HEADERS | {"Cache-Control": "no-store"})


ROUTES = [get_simulated_console_page]
