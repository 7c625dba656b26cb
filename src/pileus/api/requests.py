"""The request class: it reads a body once, in bounded time and size, into the type of the handler's parameter."""

import asyncio
from typing import Any

import litestar
from litestar.exceptions import ClientException, HTTPException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Receive

from pileus.api.unread_inputs import check_fields_are_read
from pileus.api.validation import decode_body_in_turns

READING = ("GET", "HEAD")
"""The methods of requests that change nothing."""
BODY_TIMEOUT = 10.0
"""Seconds for a body to arrive."""


class BodyDecodingRequest(litestar.Request[Any, Any, Any]):
    """A request whose JSON body becomes the parameter `data` of the handler."""

    _cached_body: bytes | None = None

    async def body(self) -> bytes:
        """Return the body. Raises HTTPException 408 if it does not arrive in time, 413 if it is too large."""
        if self._cached_body is None:
            limit = self.route_handler.resolve_request_max_body_size()
            self._cached_body = await receive_body(self.receive, limit)
        return self._cached_body

    async def json(self) -> Any:
        """Return the body as the type of the handler's parameter. Raises Invalid with all errors."""
        type_, body = self.route_handler.parsed_fn_signature.parameters["data"].annotation, await self.body()
        if self.app.state.strict:
            check_fields_are_read(body, self.route_handler)
        return await decode_body_in_turns(body, type_)


async def receive_body(receive: Receive, limit: int | None) -> bytes:
    """Return the body of a request. Raises HTTPException 408 if it does not arrive in time, 413 if it is too large."""
    # Like asyncio.timeout, in half the time: every request with a body passes here.
    loop, task, late = asyncio.get_running_loop(), asyncio.current_task(), object()
    assert task is not None  # noqa: S101  # the server runs each request in a task
    timer = loop.call_later(BODY_TIMEOUT, task.cancel, late)
    try:
        return await _join_body(receive, limit)
    except asyncio.CancelledError as cancelled:
        if cancelled.args != (late,):
            raise
        task.uncancel()
        raise HTTPException(status_code=408, detail="Request Timeout") from cancelled
    finally:
        timer.cancel()


async def _join_body(receive: Receive, limit: int | None) -> bytes:
    body, has_more = bytearray(), True
    while has_more:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise ClientException("The client disconnected")
        body += message.get("body", b"")
        if limit is not None and len(body) > limit:
            raise RequestEntityTooLarge
        has_more = message.get("more_body", False)
    return bytes(body)
