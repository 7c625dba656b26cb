"""The request logs of all processes of a server: the process that is asked asks the others by a socket of the machine.

Each process keeps its own exchanges, so that a request costs no more with several processes. Their sockets are in a
directory that only the user of the server can use.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import msgspec

from pileus.api.request_log.exchanges import RequestLog
from pileus.api.request_log.parts import LogPart, LogQuery, follow_parts, read_part
from pileus.domain.errors import Unavailable
from pileus.tasks.cancellation import cancel_and_wait

PATIENCE = 10.0
"""Seconds that a process may take to answer."""
LENGTH_BYTES = 4


class ProcessSockets:
    """The sockets by which the processes of a server read each other's logs. They have the same parent."""

    def __init__(self, directory: Path, log: RequestLog) -> None:
        self._directory, self._log = directory, log
        self._prefix = f"{os.getppid()}-"
        self._name = f"{self._prefix}{log.worker_id}.sock"

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[None]:
        """Let other processes read the log of this one."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        with self._short_path(self._name) as path:
            server = await asyncio.start_unix_server(self._answer, path)
        try:
            yield
        finally:
            server.close()
            (self._directory / self._name).unlink(missing_ok=True)

    def list_others(self) -> list[str]:
        """Return the names of the sockets of the other processes."""
        names = (path.name for path in self._directory.glob(f"{self._prefix}*.sock"))
        return sorted(name for name in names if name != self._name)

    async def read(self, name: str, query: LogQuery) -> AsyncIterator[LogPart]:
        """Yield what another process answers; nothing if it has ended. Raises Unavailable if it does not answer."""
        try:
            with self._short_path(name) as path:
                reader, writer = await asyncio.open_unix_connection(path)
        except (ConnectionRefusedError, FileNotFoundError):
            (self._directory / name).unlink(missing_ok=True)
            return
        try:
            _write_frame(writer, msgspec.json.encode(query))
            async for frame in _read_frames(reader, None if query.follow else PATIENCE):
                yield msgspec.json.decode(frame, type=LogPart)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer another process, which may go away at any time."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            query = msgspec.json.decode(await _read_frame(reader), type=LogQuery)
            sending, leaving = asyncio.create_task(self._send_parts(query, writer)), asyncio.create_task(reader.read())
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            await cancel_and_wait(sending, leaving)
        writer.close()

    async def _send_parts(self, query: LogQuery, writer: asyncio.StreamWriter) -> None:
        async for part in answer_query(self._log, query):
            _write_frame(writer, msgspec.json.encode(part))
            await writer.drain()

    @contextmanager
    def _short_path(self, name: str) -> Iterator[str]:
        """Yield a path of a socket that is never too long for the operating system."""
        directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{directory}/{name}"
        finally:
            os.close(directory)


def worker_id_of(name: str) -> str:
    """Return the id of the process that listens on a socket."""
    return name.removesuffix(".sock").rpartition("-")[2]


async def answer_query(log: RequestLog, query: LogQuery) -> AsyncIterator[LogPart]:
    """Yield what a query reads of the log of this process."""
    if query.follow:
        async for part in follow_parts(log, query):
            yield part
        return
    if query.clear:
        log.clear()
    yield await read_part(log, query)


def _write_frame(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(len(content).to_bytes(LENGTH_BYTES) + content)


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
    return await reader.readexactly(length)


async def _read_frames(reader: asyncio.StreamReader, patience: float | None) -> AsyncIterator[bytes]:
    """Yield frames until the other side closes."""
    while True:
        try:
            yield await asyncio.wait_for(_read_frame(reader), patience)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        except TimeoutError:
            raise Unavailable("A process of the server does not answer: repeat the request later") from None
