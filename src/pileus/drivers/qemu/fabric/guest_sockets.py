"""Sending to the sockets of machines, which lie in directories that machines can write to."""

import errno
import socket
from contextlib import suppress
from pathlib import Path

from pileus.drivers.qemu.paths import short_socket_path

BUFFER_SIZE = 1 << 20
NO_PEER = frozenset({errno.ENOTCONN, errno.ECONNREFUSED})
"""Errors of a socket whose machine has not been connected yet, or has closed its own socket."""


class GuestSocket:
    """A connection to the datagram socket of a machine, made again when the machine has a new one.

    A symbolic link is not followed: a guest that has escaped from QEMU could let it lead to a machine of others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_SIZE)

    def fileno(self) -> int:
        """Return the descriptor, which is writable when the machine can take more."""
        return self._socket.fileno()

    def send(self, frame: bytes) -> None:
        """Send a frame. Raises BlockingIOError while the machine does not read, and OSError while it does not run."""
        try:
            self._socket.send(frame)
        except OSError as problem:
            if problem.errno not in NO_PEER:
                raise
            with short_socket_path(self._path) as address:
                self._socket.connect(address)
            self._socket.send(frame)

    def close(self) -> None:
        """Close the connection, and remove the socket of the machine."""
        self._socket.close()
        with suppress(OSError):
            self._path.unlink()
