"""Forward requests to the server that has the machines of their region.

Each server answers what the database knows. What only a driver knows, such as a console, a serial log or the room for
an instance, raises RegionElsewhere if the driver is in another server, before anything has been changed. Then the same
request is sent there, with the key of its caller.
"""

import logging
from typing import Any

import httpx
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from pileus.api.errors import REGION_ELSEWHERE, make_error_response
from pileus.api.requests import READING, BodyDecodingRequest, receive_body
from pileus.domain.errors import OutcomeUnknown, Unavailable
from pileus.store import driver_homes
from pileus.store.database import Database
from pileus.store.driver_homes import RegionHome

LOG = logging.getLogger(__name__)
FORWARDED = b"pileus-forwarded"
"""The header of a forwarded request, which is not forwarded again."""
CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 40.0
"""How long another server may take to accept a connection, or all of its connections may be in use, and how long it
may take to answer: requests may wait for tasks."""
OWN_HEADERS = frozenset({b"host", b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"upgrade"})
"""Headers that belong to a connection, or that the client makes."""
ANSWERED_HEADERS = frozenset(
    {
        "connection",
        "date",
        "server",
        "transfer-encoding",
        "content-length",
        "content-encoding",
        "request_id",
        "x-request-id",
    }
)
"""Headers of an answer that this server makes itself."""


class RequestForwarder:
    """Forwards the requests that the application cannot answer."""

    def __init__(self, app: ASGIApp, db: Database, body_limit: int) -> None:
        self._app = app
        self._db = db
        self._body_limit = body_limit

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, or another server if the driver of the region is there."""
        receive_again = await answer_unless_elsewhere(REGION_ELSEWHERE, self._app, scope, receive, send)
        if receive_again is not None:
            await self._forward(scope, receive_again, send)

    async def _forward(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            home = await self._find_home(scope)
            answer = await self._request(scope, home, await receive_body(receive, self._body_limit))
        except Exception as problem:  # noqa: BLE001  # answered and logged as in the application
            await send_error(problem, scope, receive, send)
            return
        fields = {"request_id": scope["request_id"], "place": home.place, "status": answer.status_code}
        LOG.info("Forwarded", extra=fields | {"home_request_id": answer.headers.get("request_id", "")})
        await send_forwarded_answer(answer, scope["method"], send)

    async def _request(self, scope: Any, home: RegionHome, body: bytes) -> httpx.Response:
        away = f"The server with the machines of region {home.region_id} ({home.place}) does not answer"
        async with make_forwarding_client() as client:
            return await forward_request(client, scope, home.address, body, mark=(FORWARDED, b"1"), away=away)

    async def _find_home(self, scope: Any) -> RegionHome:
        region_id = scope.pop(REGION_ELSEWHERE)
        async with self._db.read() as tx:
            home = await driver_homes.find_of_region(tx, region_id)
        if home is None or FORWARDED in dict(scope["headers"]):
            raise Unavailable(f"No server with the machines of region {region_id} is known: try again later")
        return home


async def answer_unless_elsewhere(key: str, app: ASGIApp, scope: Any, receive: Receive, send: Send) -> Receive | None:
    """Let the application answer, unless it puts a key into the scope: then return what receives the request again."""
    if scope["type"] != ScopeType.HTTP:
        await app(scope, receive, send)
        return None
    received: list[Any] = []

    async def receive_and_keep() -> Any:
        message = await receive()
        received.append(message)
        return message

    async def send_unless_elsewhere(message: Message) -> None:
        if key not in scope:
            await send(message)

    await app(scope, receive_and_keep, send_unless_elsewhere)
    return _receive_again(received, receive) if key in scope else None


def _receive_again(received: list[Any], receive: Receive) -> Receive:
    """Return a function that receives the messages of a request once more, and then those that are still to come."""
    messages = iter(received)

    async def receive_next() -> Any:
        return next(messages, None) or await receive()

    return receive_next


def make_forwarding_client() -> httpx.AsyncClient:
    """Create a client for requests to other servers. It tries once more to connect, before anything is sent."""
    timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS)
    return httpx.AsyncClient(timeout=timeout, trust_env=False, transport=httpx.AsyncHTTPTransport(retries=1))


async def forward_request(  # noqa: PLR0913  # names are clearer than a record that only this takes
    client: httpx.AsyncClient,
    scope: Any,
    address: str,
    body: bytes,
    *,
    mark: tuple[bytes, bytes],
    away: str,
    method: str = "",
    query: str | None = None,
) -> httpx.Response:
    """Send a request, marked by a header, to another server. `away` says in errors that the server does not answer.

    `method` and `query` replace those of the request. Raises Unavailable, or OutcomeUnknown if that may have changed
    something.
    """
    text = scope["query_string"].decode("latin-1") if query is None else query
    method = method or scope["method"]
    url = address + scope["raw_path"].decode("latin-1") + ("?" if text else "") + text
    try:
        return await client.request(method, url, headers=make_forwarded_headers(scope, mark), content=body)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as problem:
        raise Unavailable(f"{away}: try again later") from problem
    except httpx.HTTPError as problem:
        if method in READING:
            raise Unavailable(f"{away}: try again later") from problem
        raise OutcomeUnknown(f"{away}: it may have carried out the request") from problem


def make_forwarded_headers(scope: Any, mark: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request for another server."""
    headers = [(name, value) for name, value in scope["headers"] if name not in OWN_HEADERS and name != mark[0]]
    if client := scope.get("client"):
        headers = [(name, value) for name, value in headers if name != b"x-forwarded-for"]
        headers.append((b"x-forwarded-for", str(client[0]).encode()))
    return [*headers, mark]


def _headers_for_client(answer: httpx.Response) -> list[tuple[str, str]]:
    headers = [(name, value) for name, value in answer.headers.items() if name not in ANSWERED_HEADERS]
    # The other server answers HEAD with the length of the body that it does not send.
    length = str(len(answer.content)) if answer.content else answer.headers.get("content-length", "0")
    return [*headers, ("content-length", length)]


async def send_error(error: Exception, scope: Any, receive: Receive, send: Send) -> None:
    """Send the answer for an exception outside the application, as the application does."""
    response = make_error_response(BodyDecodingRequest(scope, receive, send), error)
    await response(scope, receive, send)


async def send_forwarded_answer(answer: httpx.Response, method: str, send: Send) -> None:
    """Send the answer of another server; that of HEAD without a body."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in _headers_for_client(answer)]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    body = b"" if method == "HEAD" else answer.content
    await send({"type": "http.response.body", "body": body, "more_body": False})
