"""The request class: bodies are read once, in bounded time and size, into the type that their handler asks for."""

import asyncio
from typing import Any

import litestar
from litestar.exceptions import ClientException, HTTPException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from pileus.api.validation import decode_body

SLOWEST_BODY = 10.0
"""Seconds for a body to arrive."""


class Request(litestar.Request[Any, Any, Any]):
    """A request whose JSON body becomes the handler's `data`."""

    _whole: bytes | None = None

    async def body(self) -> bytes:
        """The whole body; raises HTTPException 408 if it does not come in time, 413 if it is too large."""
        if self._whole is None:
            self._whole = await self._in_time()
        return self._whole

    async def json(self) -> Any:
        """The body as the handler's type; raises Invalid with every complaint."""
        wanted = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        return decode_body(await self.body(), wanted)

    async def _in_time(self) -> bytes:
        # What asyncio.timeout does, in half the time: every request with a body passes here.
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101  # the server runs each request in one
        late = loop.call_later(SLOWEST_BODY, task.cancel, self)
        try:
            return await self._arrived()
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (self,):
                raise
            task.uncancel()
            raise HTTPException(status_code=408, detail="Request Timeout") from cancelled
        finally:
            late.cancel()

    async def _arrived(self) -> bytes:
        limit = self.route_handler.resolve_request_max_body_size()
        whole, more = bytearray(), True
        while more:
            message: Any = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientException("The client went away")
            whole += message.get("body", b"")
            if limit is not None and len(whole) > limit:
                raise RequestEntityTooLarge
            more = message.get("more_body", False)
        return bytes(whole)
