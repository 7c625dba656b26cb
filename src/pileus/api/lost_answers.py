"""Close the connection of a request instead of answering it, or in the middle of its answer."""

import asyncio
from typing import Any

from litestar.types import Message, Receive, Send

TRANSPORT = "transport"
"""The key of the scope with the transport of the connection. Our HTTP server sets it; tests in process have none."""
CLOSE_SECONDS = 1.0


async def discard_answer(message: Message) -> None:
    """Send nothing; the `send` of an application whose answer is lost."""


class CutAnswer:
    """Sends the first half of an answer. If the answer has no body, only a part of its first line is sent."""

    def __init__(self, scope: Any, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Any = None

    async def send(self, message: Any) -> None:
        """Send the head and half of the first part of the body, and discard the rest; the `send` of an application."""
        if message["type"] == "http.response.start":
            self._start = message
        elif self._start is not None:
            start, self._start = self._start, None
            await self._send_half(start, message)

    async def _send_half(self, start: Any, message: Any) -> None:
        body = message.get("body", b"")
        if body and self._scope["method"] != "HEAD":
            await self._send(start)
            await self._send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        elif transport := self._scope.get(TRANSPORT):
            transport.write(b"HTTP/1.1 %d" % start["status"])


async def drop_connection(scope: Any, receive: Receive, *, has_answer: bool) -> None:
    """Close the connection, after what has been sent of an answer, and wait until the HTTP server has noticed.

    Raises ConnectionAbortedError if the server is not ours.
    """
    transport = scope.get(TRANSPORT)
    if transport is None:
        raise ConnectionAbortedError("A fault closes the connection")
    if has_answer:
        transport.close()
    else:
        transport.abort()
    # The HTTP server would answer 500 for an application that returns before. It does not tell pipelined requests.
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
