"""Streams of server-sent events of a cloud in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from pileus.app import RunningCloud

PATIENCE = 60.0
"""Seconds to wait for a message."""


class EventStream:
    """A stream: its messages, each a comment or an event, until None."""

    def __init__(self) -> None:
        self.status = 0
        self.answering: asyncio.Task[None] | None = None
        self._messages = asyncio.Queue[str | None]()
        self._left = asyncio.Event()

    async def receive(self) -> Any:
        """Receive that the client has left, or that the answer has ended."""
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        if message["body"]:
            self._messages.put_nowait(message["body"].decode())
        if not message.get("more_body"):
            self._messages.put_nowait(None)
            self.leave()

    def leave(self) -> None:
        """Disconnect."""
        self._left.set()

    async def read(self) -> str | None:
        """Return the next message."""
        return await asyncio.wait_for(self._messages.get(), PATIENCE)

    async def read_until(self, text: str) -> str:
        """Return the next message that contains a text."""
        while (message := await self.read()) is not None:
            if text in message:
                return message
        raise AssertionError(f"the stream has ended without {text}")

    async def read_to_end(self) -> list[str]:
        """Return the messages until the end. Raises what the application raises."""
        messages = []
        while (message := await self.read()) is not None:
            messages.append(message)
        assert self.answering is not None
        await asyncio.wait_for(self.answering, PATIENCE)
        return messages


@asynccontextmanager
async def open_event_stream(
    running: RunningCloud, path: str, token: str, query: str = ""
) -> AsyncIterator[EventStream]:
    """Open a stream, and yield it when it has begun."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"pileus.test"), (b"authorization", f"APIKey {token}".encode())],
        "client": ("127.0.0.1", 1234),
        "server": ("pileus.test", 80),
        "state": {},
    }
    stream = EventStream()
    stream.answering = asyncio.create_task(cast("Any", running.app)(scope, stream.receive, stream.send))
    try:
        begin = await stream.read()
        assert (stream.status, begin and begin[0]) == (200, ":")
        yield stream
    finally:
        stream.leave()
        await asyncio.wait({stream.answering}, timeout=PATIENCE)
