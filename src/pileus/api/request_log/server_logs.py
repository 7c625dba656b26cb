"""The request log of a server: the logs of all its processes as one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from heapq import merge
from operator import attrgetter

from msgspec import Struct

from pileus.api.request_log.exchanges import RequestLog
from pileus.api.request_log.parts import LogPart, LogQuery
from pileus.api.request_log.processes import ProcessSockets, answer_query, worker_id_of
from pileus.api.wire.exchanges import ExchangeFilter, ExchangesView, ExchangeView, Position, format_position
from pileus.domain.errors import TooManyRequests
from pileus.tasks.cancellation import cancel_and_wait

MAX_STREAMS = 16
"""Streams of a process at the same time."""
WAITING_PARTS = 4
"""Parts that wait for a slow reader. Then the logs wait, and the reader misses what they drop."""
LOOK_SECONDS = 1.0
"""Seconds after which a stream looks for processes that have started."""


class ServerLog:
    """Reads the log of this process and, by their sockets, those of the others."""

    def __init__(self, log: RequestLog, sockets: ProcessSockets | None = None) -> None:
        self.log = log
        self.sockets = sockets
        self.stream_count = 0

    async def list_exchanges(self, selection: ExchangeFilter, after: Position, limit: int) -> ExchangesView:
        """Return the last of the selected exchanges. Raises Unavailable."""
        parts = await self._ask_all(
            lambda worker_id: LogQuery(selection=selection, after=after.get(worker_id), limit=limit)
        )
        exchanges = list(merge(*(part.exchanges for part in parts), key=attrgetter("ended_at")))
        return ExchangesView(
            count=sum(part.count for part in parts),
            position=format_position({part.worker_id: part.number for part in parts}),
            results=[exchange.view for exchange in exchanges[max(0, len(exchanges) - limit) :]],
        )

    async def clear(self) -> None:
        """Remove all exchanges of all processes. Raises Unavailable."""
        await self._ask_all(lambda _: LogQuery(clear=True))

    def open_stream(self, selection: ExchangeFilter, position: Position | None) -> "ExchangeStream":
        """Start a stream. Raises TooManyRequests."""
        if self.stream_count >= MAX_STREAMS:
            raise TooManyRequests(f"There are {MAX_STREAMS} streams already, which is the limit: end one of them", 1)
        return ExchangeStream(self, selection, position)

    async def _ask_all(self, query_of: Callable[[str], LogQuery]) -> list[LogPart]:
        """Return the answers of all processes to a query, which may be another one for each."""
        parts = [part async for part in answer_query(self.log, query_of(self.log.worker_id))]
        if self.sockets:
            for name in self.sockets.list_others():
                parts += [part async for part in self.sockets.read(name, query_of(worker_id_of(name)))]
        return parts


@asynccontextmanager
async def open_request_log(server_log: ServerLog | None) -> AsyncIterator[None]:
    """Let other processes read the log of this one until the context ends."""
    if server_log is None or server_log.sockets is None:
        yield
        return
    async with server_log.sockets.listen():
        yield


class StreamItem(Struct, frozen=True):
    """An exchange, or None for a sign of life; how many were missed before; and where a later stream continues."""

    view: ExchangeView | None
    missed: int
    position: str


class ExchangeStream:
    """The selected exchanges of all processes, as they come, until the server stops.

    A stream without a position begins with the next exchange.
    """

    def __init__(self, server_log: ServerLog, selection: ExchangeFilter, position: Position | None) -> None:
        self._server_log, self._selection, self._given = server_log, selection, position
        self._position: Position = {}
        self._parts: asyncio.Queue[LogPart | None] = asyncio.Queue(WAITING_PARTS)

    async def read(self, pause: float) -> AsyncGenerator[StreamItem, None]:
        """Yield the exchanges, and a sign of life after each pause of so many seconds."""
        self._server_log.stream_count += 1
        reading = asyncio.create_task(self._read_processes())
        try:
            while (part := await self._next_part(pause)) is not None:
                for item in self._items(part):
                    yield item
        finally:
            self._server_log.stream_count -= 1
            await cancel_and_wait(reading)

    async def _next_part(self, pause: float) -> LogPart | None:
        """Return the next part, an empty one after a pause, or None at the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                return await self._parts.get()
        return LogPart(worker_id="", number=0)

    def _items(self, part: LogPart) -> Iterator[StreamItem]:
        missed = part.dropped
        for exchange in part.exchanges:
            self._position[part.worker_id] = exchange.number
            yield StreamItem(exchange.view, missed, format_position(self._position))
            missed = 0
        if part.worker_id:
            self._position[part.worker_id] = part.number
        if missed or not part.exchanges:
            yield StreamItem(None, missed, format_position(self._position))

    async def _read_processes(self) -> None:
        """Put the parts of all processes into the queue, also of those that start later; None at the end."""
        log, sockets = self._server_log.log, self._server_log.sockets
        own = asyncio.create_task(self._put_parts(answer_query(log, self._query(log.worker_id, is_new=False))))
        readers = {"": own}
        is_first_look = True
        try:
            while not own.done():
                if sockets:
                    self._read_others(sockets, readers, are_new=not is_first_look)
                is_first_look = False
                await asyncio.wait({own}, timeout=LOOK_SECONDS if sockets else None)
            await self._parts.put(None)
        finally:
            await cancel_and_wait(*readers.values())

    def _read_others(self, sockets: ProcessSockets, readers: "dict[str, asyncio.Task[None]]", *, are_new: bool) -> None:
        """Start to read the other processes that are not read yet."""
        for name in sockets.list_others():
            if name not in readers:
                parts = sockets.read(name, self._query(worker_id_of(name), is_new=are_new))
                readers[name] = asyncio.create_task(self._put_parts(parts))

    def _query(self, worker_id: str, *, is_new: bool) -> LogQuery:
        """Return the query of a process; everything of a process that has started since the stream began is new."""
        is_first_stream = self._given is None and not is_new
        after = None if is_first_stream else (self._given or {}).get(worker_id, 0)
        return LogQuery(selection=self._selection, after=after, follow=True)

    async def _put_parts(self, parts: AsyncIterator[LogPart]) -> None:
        async for part in parts:
            await self._parts.put(part)
