"""The request log of a simulated cloud: list, stream and remove exchanges."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import delete, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from pileus.api.authorization import CONTROL
from pileus.api.context import AppState, Ctx
from pileus.api.paging import LARGEST
from pileus.api.request_log.exchanges import UNLOGGED
from pileus.api.request_log.server_logs import ServerLog, StreamItem
from pileus.api.requests import BodyDecodingRequest
from pileus.api.stream_access import StreamAccess
from pileus.api.task_operations import describe_missing_operation
from pileus.api.wire.exchanges import (
    STATUS_PATTERN,
    ExchangeFilter,
    ExchangesView,
    ExchangeView,
    Position,
    parse_position,
)
from pileus.api.wire.times import parse_range_start
from pileus.domain.errors import Conflict, invalid, not_found

PAUSE = 10.0
"""Seconds after which a stream without exchanges sends a comment, if its caller may still read it."""
RETRY_MILLISECONDS = 500
MAX_TEXT = 1000

Text = Annotated[str | None, QueryParameter(min_length=1, max_length=MAX_TEXT)]
Number = Annotated[int | None, QueryParameter(ge=0, le=LARGEST)]
Last = Annotated[int, QueryParameter(ge=1, le=1000, description="The maximum number of exchanges: the last ones.")]


def parse_exchange_filter(
    request: BodyDecodingRequest,
    operation: Text = None,
    method: Text = None,
    path: Annotated[str | None, QueryParameter(max_length=MAX_TEXT, description="A part of the path.")] = None,
    status: Annotated[
        str | None, QueryParameter(pattern=STATUS_PATTERN, description="A status: `404`, `4xx` or `>=400`.")
    ] = None,
    project_id: Number = None,
    client_id: Number = None,
    since: Annotated[str | None, QueryParameter(description="The earliest start, a date or a time.")] = None,
    unread: Annotated[
        bool | None, QueryParameter(description="Whether something was sent that the operation does not read.")
    ] = None,
    text: Annotated[
        str | None,
        QueryParameter(max_length=MAX_TEXT, description="A text in the path, the query, the program or the bodies."),
    ] = None,
) -> ExchangeFilter:
    """Read the filter from its parameters. Raises Invalid."""
    if operation is not None:
        check_operation_exists(request.app.state.app_state, operation)
    return ExchangeFilter(
        operation=operation,
        method=method,
        path=path,
        status=status,
        project_id=project_id,
        client_id=client_id,
        since=parse_range_start("since", since),
        has_unread=unread,
        text=text,
    )


FILTER = {"exchange_filter": Provide(parse_exchange_filter, sync_to_thread=False)}
ExchangeFilterParameter = NamedDependency[ExchangeFilter]


@get("/requests", opt=CONTROL | UNLOGGED, dependencies=FILTER)
async def list_requests(
    ctx: Ctx, exchange_filter: ExchangeFilterParameter, after: FromQuery[str] = "", limit: Last = 100
) -> ExchangesView:
    """List the last requests with their answers, of all processes of the server, the newest last.

    `after` is the `position` of an earlier answer: only exchanges after it are listed. Secrets are hidden. A server
    process keeps as many exchanges as the settings `request_log_size` and `request_log_memory` allow, without requests
    for the log itself, for `/metrics` and for health.
    """
    server_log = require_request_log(ctx.app)
    return await server_log.list_exchanges(exchange_filter, parse_position("after", after), limit)


@get("/requests/stream", opt=CONTROL | UNLOGGED, dependencies=FILTER, media_type="text/event-stream")
async def stream_requests(
    ctx: Ctx,
    request: BodyDecodingRequest,
    exchange_filter: ExchangeFilterParameter,
    after: FromQuery[str | None] = None,
) -> ServerSentEvent:
    """Stream requests with their answers as server-sent events, until the server stops or refuses the key.

    The event `exchange` has an exchange. Its id is a position: the header `Last-Event-ID` or the parameter `after`
    continues there, otherwise the stream begins with the next exchange. A reader that is slower than the log misses
    exchanges, and gets their number by the event `missed`.
    """
    server_log = require_request_log(ctx.app)
    position = _parse_start(request.headers.get("last-event-id"), after)
    stream = server_log.open_stream(exchange_filter, position)
    return ServerSentEvent(_format_events(StreamAccess(ctx, request).guard(stream.read(PAUSE))))


@get("/requests/{request_id:str}", opt=CONTROL | UNLOGGED)
async def get_request(ctx: Ctx, request_id: FromPath[str]) -> ExchangeView:
    """Get the exchange of a request id, or of the begin of one."""
    server_log = require_request_log(ctx.app)
    page = await server_log.list_exchanges(ExchangeFilter(request_id=request_id), {}, 1)
    if not page.results:
        raise not_found("Request", request_id)
    return page.results[0]


@delete("/requests", opt=CONTROL | UNLOGGED)
async def clear_requests(ctx: Ctx) -> None:
    """Remove all exchanges from the request log."""
    await require_request_log(ctx.app).clear()


def check_operation_exists(app: AppState, name: str) -> None:
    """Check that the API has an operation: nothing would ever match another name. Raises Invalid."""
    if name not in (names := app.operations.ids):
        raise invalid(operation=describe_missing_operation(name, names, "/schema"))


def require_request_log(app: AppState) -> ServerLog:
    """Return the request log. Raises Conflict if it is off."""
    if app.request_log is None:
        raise Conflict("The request log is off: start the server with --request-log on")
    return app.request_log


def _parse_start(last_event_id: str | None, after: str | None) -> Position | None:
    if last_event_id:
        return parse_position("Last-Event-ID", last_event_id)
    return None if after is None else parse_position("after", after)


async def _format_events(items: AsyncIterator[StreamItem | None]) -> AsyncIterator[ServerSentEventMessage]:
    async for item in items:
        if item is None:
            yield ServerSentEventMessage(comment="alive", data=None)
            continue
        if item.missed:
            yield ServerSentEventMessage(event="missed", id=item.position, data=f'{{"count": {item.missed}}}')
        if item.view:
            data = msgspec.json.encode(item.view)
            yield ServerSentEventMessage(event="exchange", id=item.position, data=data)
        elif not item.missed:
            yield ServerSentEventMessage(comment="alive", id=item.position, data=None, retry=RETRY_MILLISECONDS)


ROUTES = [list_requests, stream_requests, get_request, clear_requests]
