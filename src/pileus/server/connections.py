"""The open connections of a process: how many there may be, and which one is closed for a new one."""

import asyncio
from collections import Counter
from ipaddress import ip_address
from typing import Protocol

from msgspec import Struct


class ConnectionLimits(Struct, frozen=True, kw_only=True):
    """The limits of connections. Times are seconds.

    `header_timeout`: from the start of a connection, or of a request on it, to the end of the request's headers.
    `body_timeout`: for the whole body, and for a client that does not read its answer.
    `idle_timeout`: between two requests.
    """

    total: int = 2048
    per_peer: int = 512
    header_timeout: float = 30
    body_timeout: float = 60
    idle_timeout: float = 75


class Connection(Protocol):
    """A connection that the register can close. `deadline` is a time of the event loop."""

    peer: str
    deadline: float

    def close_for_timeout(self) -> None:
        """Close the connection, because its deadline has passed."""
        ...

    def close_as_idle(self) -> None:
        """Close the connection, which has no request, to make room."""
        ...


class ConnectionRegister:
    """Counts the connections of a process and decides which ones it accepts.

    Over a limit, the connection that has been idle for longest is closed. If all of them have a request under way, the
    new one is refused. Loopback has no limit per peer, because a reverse proxy connects from there.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        self._per_peer: Counter[str] = Counter()

    def admit(self, connection: Connection) -> bool:
        """Add a new, idle connection; return whether the limits allow it. The caller refuses it if not."""
        peer_is_full = self._per_peer[connection.peer] >= self.limits.per_peer and not _is_loopback(connection.peer)
        is_full = len(self._open) >= self.limits.total
        if (peer_is_full or is_full) and not self._close_idle(connection.peer if peer_is_full else None):
            return False
        self._open.add(connection)
        self._per_peer[connection.peer] += 1
        self._idle[connection] = None
        return True

    def mark_busy(self, connection: Connection) -> None:
        """Note that a request has begun on the connection."""
        self._idle.pop(connection, None)

    def mark_idle(self, connection: Connection) -> None:
        """Note that the connection waits for its next request."""
        if connection in self._open:
            self._idle[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection. Does nothing if it is not registered."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        self._idle.pop(connection, None)
        self._per_peer[connection.peer] -= 1
        if not self._per_peer[connection.peer]:
            del self._per_peer[connection.peer]

    def close_expired(self) -> None:
        """Close the connections whose deadline has passed."""
        now = asyncio.get_running_loop().time()
        for connection in [connection for connection in self._open if connection.deadline <= now]:
            connection.close_for_timeout()

    def _close_idle(self, peer: str | None) -> bool:
        """Close the connection that has been idle for longest, of that peer if one is given; return if there is one."""
        for connection in self._idle:
            if peer is None or connection.peer == peer:
                self.remove(connection)
                connection.close_as_idle()
                return True
        return False


def _is_loopback(peer: str) -> bool:
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False
