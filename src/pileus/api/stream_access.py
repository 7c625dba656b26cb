"""The access of the caller of a stream, which lasts longer than the check of its request."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import TypeVar

from pileus.api.authorization import find_access_obstacle, required_access
from pileus.api.context import RequestContext
from pileus.api.requests import BodyDecodingRequest
from pileus.domain.errors import Unavailable

PAUSE = 1.0
"""Seconds between two questions to a database that does not answer."""
T = TypeVar("T")


class StreamAccess:
    """Checks the caller of a stream before each item, by the rules of requests without their rate limit.

    The authenticator remembers callers for a moment, so a busy stream does not read the database for each item.
    """

    def __init__(self, ctx: RequestContext, request: BodyDecodingRequest) -> None:
        self._app, self._client_id = ctx.app, ctx.caller.client_id
        self._access = required_access(request.route_handler)
        self._authorization = request.headers.get("authorization", "").encode("latin-1")

    async def guard(self, items: AsyncGenerator[T, None]) -> AsyncIterator[T | None]:
        """Yield items until the caller may read no more; None is a sign of life while that is not known.

        An item waits until it is known: the key may have been revoked by a process that reaches the database.
        """
        async with aclosing(items):
            async for item in items:
                while (is_admitted := await self._is_admitted()) is None and await self._may_ask_again():
                    yield None
                if not is_admitted:
                    return
                yield item

    async def _may_ask_again(self) -> bool:
        """Wait for the database to come back; return False if the server stops meanwhile."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._app.stopping.wait(), PAUSE)
        return not self._app.stopping.is_set()

    async def _is_admitted(self) -> bool | None:
        """Return whether the caller may read; None if the database does not answer."""
        try:
            caller = await self._app.authenticator.find_caller(self._authorization, self._app.now())
        except Unavailable:
            return None
        if caller is None or caller.client_id != self._client_id:
            return False
        return not find_access_obstacle(self._app, self._access, caller)
