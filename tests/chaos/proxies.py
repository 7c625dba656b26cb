"""A TCP proxy between the server and PostgreSQL that refuses, hangs, or loses connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

CHUNK = 65536


class Proxy:
    """Forwards connections to an upstream server.

    The next `breaks` connections that send `pattern` end: before the upstream server gets it, or, with
    `break_after_forwarding`, before its answer comes back. `hold` stops one connection at a pattern.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._is_refusing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.pattern = b""
        self.breaks = 0
        self.break_after_forwarding = False
        self._held_pattern: bytes | None = None
        self._forwards_before = False
        self.is_holding = asyncio.Event()
        self._released = asyncio.Event()

    @property
    def port(self) -> int:
        """The port on the loopback interface."""
        return self._port

    async def accept(self) -> None:
        """Accept connections, on the same port as before."""
        if self._server is None:
            self._is_refusing = False
            self._server = await asyncio.start_server(self._begin, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Lose all connections and refuse further ones."""
        self._is_refusing = True
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.lose_connections()

    async def restore(self) -> None:
        """Accept, forward and break nothing, whatever was asked for before."""
        self.breaks = 0
        self.release()
        self.resume()
        await self.accept()

    async def lose_connections(self) -> None:
        """End all connections; further ones are accepted."""
        ending = list(self._tasks)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def hang(self) -> None:
        """Accept connections, but forward nothing."""
        self._flowing.clear()

    def resume(self) -> None:
        """Forward again what has waited."""
        self._flowing.set()

    def hold(self, pattern: bytes, *, forwards_before: bool = False) -> None:
        """Stop the connection that sends the pattern next, until `release`; `is_holding` is set when it has.

        With `forwards_before`, PostgreSQL gets the statements that were sent together with the pattern before it.
        """
        self._held_pattern, self._forwards_before = pattern, forwards_before
        self.is_holding.clear()
        self._released.clear()

    def release(self) -> None:
        """Let the stopped connection go on."""
        self._held_pattern = None
        self._released.set()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward a connection in a task. It may be cancelled before it begins, so the task cannot close it itself."""
        if self._is_refusing:
            # It was accepted just before the proxy refused further ones.
            writer.transport.abort()
            return
        task = asyncio.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, upstream_writer, breakable=True))
                group.create_task(self._copy(upstream_reader, writer, breakable=False))
        except* (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            upstream_writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, breakable: bool) -> None:
        """Forward one direction. Raises ConnectionResetError at its end, which ends the other one."""
        is_broken = False
        while not is_broken and (chunk := await reader.read(CHUNK)):
            await self._flowing.wait()
            if breakable and self._held_pattern is not None and self._held_pattern in chunk:
                if self._forwards_before:
                    start = _find_message(chunk, self._held_pattern)
                    writer.write(chunk[:start])
                    await writer.drain()
                    chunk = chunk[start:]
                self._held_pattern = None
                self.is_holding.set()
                await self._released.wait()
            is_broken = breakable and self.breaks > 0 and self.pattern in chunk
            self.breaks -= is_broken
            if not is_broken or self.break_after_forwarding:
                writer.write(chunk)
                await writer.drain()
        if is_broken:
            # The upstream server handles what it has got.
            writer.write_eof()
        raise ConnectionResetError


def _find_message(chunk: bytes, pattern: bytes) -> int:
    """Return where the message with a pattern begins, in whole messages of PostgreSQL's protocol."""
    start, end = 0, 0
    while pattern not in chunk[start:end]:
        start, end = end, end + 1 + int.from_bytes(chunk[end + 1 : end + 5])
    return start


@asynccontextmanager
async def proxy_of(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """Run a proxy to the server of a URL; yields it with the URL that leads through it."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5432)
    await proxy.accept()
    credentials = parts.netloc.rpartition("@")[0]
    try:
        yield proxy, urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{proxy.port}"))
    finally:
        proxy.resume()
        with suppress(ConnectionError):
            await proxy.refuse()
