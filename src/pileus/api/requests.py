"""The request class: bodies are read once, in bounded time, straight into the type that their handler asks for."""

import asyncio
from typing import Any

import litestar
from litestar.exceptions import HTTPException

from pileus.api.validation import decoded

SLOWEST_BODY = 10.0
"""Seconds for a body to arrive."""


class Request(litestar.Request[Any, Any, Any]):
    """A request whose JSON body becomes the handler's `data`."""

    async def body(self) -> bytes:
        """The whole body; raises HTTPException 408 if it does not come in time."""
        try:
            async with asyncio.timeout(SLOWEST_BODY):
                return await super().body()
        except TimeoutError as error:
            raise HTTPException(status_code=408, detail="Request Timeout") from error

    async def json(self) -> Any:
        """The body as the handler's type; raises Invalid with every complaint."""
        wanted = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        return decoded(await self.body(), wanted)
