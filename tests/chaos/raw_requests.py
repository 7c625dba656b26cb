"""Requests as bytes, which may be anything, and connections that send them and read the answers."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import h11

LONGEST = 30.0
"""Seconds in which every answer comes."""
# Not every header or method of a hostile request is one that h11 would send.
READ_AS_GET = h11.Request(method="GET", target="/", headers=[("Host", "127.0.0.1")])
READ_AS_HEAD = h11.Request(method="HEAD", target="/", headers=[("Host", "127.0.0.1")])


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it is sent; `template` is the path in the document."""

    method: str
    template: str
    data: bytes


@dataclass(slots=True)
class RawAnswer:
    """The status and the body of an answer, and whether the connection ends after it."""

    status: int
    body: bytes
    is_last: bool


def build_request(method: str, target: str, headers: dict[str, str], body: bytes | None) -> bytes:
    """Return a request with these headers and a Content-Length."""
    lengths = {} if body is None else {"Content-Length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in ({"Host": "127.0.0.1"} | headers | lengths).items()]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("utf-8", "surrogatepass") + (body or b"")


class RawConnection:
    """A connection that is opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, request: RawRequest) -> RawAnswer:
        """Send a request and return the answer. Raises ConnectionError if there is none."""
        async with asyncio.timeout(LONGEST):
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._writer.write(request.data)
            with suppress(ConnectionError):
                # The server may answer and close before it has read everything.
                await self._writer.drain()
            try:
                answer = await self._read_answer(is_head=request.method == "HEAD")
            except (ConnectionError, h11.RemoteProtocolError) as problem:
                self.close()
                raise ConnectionError(str(problem)) from problem
        if answer.is_last:
            self.close()
        return answer

    async def _read_answer(self, *, is_head: bool) -> RawAnswer:
        assert self._reader is not None
        protocol = h11.Connection(h11.CLIENT)
        protocol.send(READ_AS_HEAD if is_head else READ_AS_GET)
        protocol.send(h11.EndOfMessage())
        answer = RawAnswer(0, b"", is_last=False)
        while not isinstance(event := protocol.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                protocol.receive_data(await self._reader.read(65536))
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("closed without an answer")
            elif isinstance(event, h11.Response):
                answer.status = event.status_code
            elif isinstance(event, h11.Data):
                answer.body += event.data
        answer.is_last = protocol.their_state is not h11.DONE
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
