"""The stream of a tenant's changes, by which open consoles learn what to read again."""

from collections.abc import AsyncIterator

import msgspec
from litestar import get
from litestar.params import FromQuery
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from pileus.api.authorization import READ
from pileus.api.context import Ctx
from pileus.api.paging import Id
from pileus.api.request_log.exchanges import UNLOGGED
from pileus.api.requests import BodyDecodingRequest
from pileus.api.stream_access import StreamAccess
from pileus.domain.changes import ActionChange
from pileus.domain.errors import invalid
from pileus.tasks.change_feeds import ChangeFeeds, ChangeStream, FeedItem

PAUSE = 10.0
"""Seconds after which a stream without changes sends a comment, if its caller may still read it."""
RETRY_MILLISECONDS = 1000
MAX_DIGITS = 18


@get("/ui/changes", opt=READ | UNLOGGED, include_in_schema=False, media_type="text/event-stream")
async def stream_changes(
    ctx: Ctx, request: BodyDecodingRequest, project_id: FromQuery[Id | None] = None
) -> ServerSentEvent:
    """Stream the changes of a tenant, or of one of its projects, as server-sent events.

    The event `change` is an entry of the audit log, and `task` says where a task stands. `missed` means that the reader
    reads everything again. The id of an event is a position, where the header `Last-Event-ID` continues.
    """
    position = _parse_position(request.headers.get("last-event-id", ""))
    stream = await ctx.app.change_feeds.open_stream(ctx.caller.client_id, position)
    return ServerSentEvent(_format_events(ctx.app.change_feeds, StreamAccess(ctx, request), stream, project_id))


def _parse_position(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise invalid(**{"Last-Event-ID": "This is not the id of an event"})
    return int(text)


async def _format_events(
    feeds: ChangeFeeds, access: StreamAccess, stream: ChangeStream, project_id: int | None
) -> AsyncIterator[ServerSentEventMessage]:
    try:
        yield ServerSentEventMessage(comment="open", retry=RETRY_MILLISECONDS, data=None)
        async for item in access.guard(feeds.read(stream, PAUSE)):
            if item is None:
                yield ServerSentEventMessage(comment="alive", data=None)
            elif item.change is None or project_id in (None, item.change.project_id) or item.change.project_id is None:
                yield _format_event(item)
    finally:
        feeds.close_stream(stream)


def _format_event(item: FeedItem) -> ServerSentEventMessage:
    position = str(item.position)
    if item.is_missed:
        return ServerSentEventMessage(event="missed", id=position, data="{}")
    if item.change is None:
        return ServerSentEventMessage(comment="alive", id=position, data=None)
    event = "change" if isinstance(item.change, ActionChange) else "task"
    return ServerSentEventMessage(event=event, id=position, data=msgspec.json.encode(item.change).decode())


ROUTES = [stream_changes]
