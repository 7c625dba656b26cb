"""A proxy in front of PostgreSQL that records the statements of its clients and counts their round trips."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

CHUNK = 1 << 16
ENCRYPTION_REQUESTS = (80877103, 80877104)
"""Codes of the start messages that ask for TLS or GSSAPI."""
HEADER = 5
"""Bytes of the type and the length of a message."""


class Statement(NamedTuple):
    """A statement with its parameters as text."""

    sql: str
    values: tuple[str | None, ...] = ()


@dataclass(slots=True)
class ClientMessages:
    """What one client sends: statements, batches, and round trips, that is, how often it waited for an answer."""

    statements: list[Statement] = field(default_factory=list)
    batches: int = 0
    round_trips: int = 0
    _prepared: dict[str, str] = field(default_factory=dict)
    _buffer: bytearray = field(default_factory=bytearray)
    _has_started: bool = False
    _is_sending: bool = False

    def on_request(self, chunk: bytes) -> None:
        """Read a part of what the client sends."""
        self.round_trips += not self._is_sending
        self._is_sending = True
        self._buffer += chunk
        while not self._has_started and len(self._buffer) >= 2 * 4:
            length, code = struct.unpack_from("!II", self._buffer)
            if len(self._buffer) < length:
                return
            self._has_started = code not in ENCRYPTION_REQUESTS
            del self._buffer[:length]
        while self._has_started and len(self._buffer) >= HEADER:
            kind, length = struct.unpack_from("!cI", self._buffer)
            if len(self._buffer) < length + 1:
                return
            self._read_message(kind, bytes(self._buffer[HEADER : length + 1]))
            del self._buffer[: length + 1]

    def on_answer(self) -> None:
        """Learn that the server has sent something."""
        self._is_sending = False

    def _read_message(self, kind: bytes, content: bytes) -> None:
        if kind == b"Q":
            self.statements.append(Statement(content[:-1].decode()))
        elif kind == b"S":
            self.batches += 1
        elif kind == b"P":
            name, sql, _ = content.split(b"\0", 2)
            self._prepared[name.decode()] = sql.decode()
        elif kind == b"B":
            _, name, values = content.split(b"\0", 2)
            self.statements.append(Statement(self._prepared[name.decode()], tuple(_read_values(values))))


@dataclass(slots=True)
class Recorder:
    """Records what the clients of a server send, a list of messages for each connection."""

    clients: list[ClientMessages] = field(default_factory=list)

    def clear(self) -> None:
        """Forget what has been recorded."""
        for client in self.clients:
            client.statements.clear()
            client.batches = client.round_trips = 0


def _read_values(content: bytes) -> Iterator[str | None]:
    """Yield the values of a Bind message; those in binary format are integers."""
    (formats,) = struct.unpack_from("!H", content)
    is_binary = struct.unpack_from(f"!{formats}H", content, 2)
    at = 2 + 2 * formats
    (count,) = struct.unpack_from("!H", content, at)
    at += 2
    for number in range(count):
        (length,) = struct.unpack_from("!i", content, at)
        at += 4
        value = content[at : at + max(0, length)]
        if length < 0:
            yield None
        elif is_binary and is_binary[min(number, formats - 1)]:
            yield str(int.from_bytes(value, "big", signed=True))
        else:
            yield value.decode()
        at += len(value)


@contextmanager
def record_statements(url: str) -> Iterator[tuple[Recorder, str]]:
    """Run a proxy to the server of a URL; yields what it records, and the URL that leads through it."""
    parts, recorder = urlsplit(url), Recorder()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = (parts.hostname or "127.0.0.1", parts.port or 5432)
        threading.Thread(target=_accept, args=(listener, upstream, recorder), daemon=True).start()
        credentials = parts.netloc.rpartition("@")[0]
        port = listener.getsockname()[1]
        yield recorder, urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{port}"))
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, upstream: tuple[str, int], recorder: Recorder) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(upstream)
            recorder.clients.append(messages := ClientMessages())
            for arguments in ((client, server, messages, True), (server, client, messages, False)):
                threading.Thread(target=_copy, args=arguments, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket, messages: ClientMessages, is_request: bool) -> None:  # noqa: FBT001  # the target of a thread
    with suppress(OSError), source:
        while chunk := source.recv(CHUNK):
            if is_request:
                messages.on_request(chunk)
            else:
                messages.on_answer()
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
