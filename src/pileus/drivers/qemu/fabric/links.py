"""The link of a port to the machine behind it: a pair of datagram sockets on which a message is a frame."""

import os
import socket
from pathlib import Path

from pileus.drivers.qemu.fabric.guest_sockets import GuestSocket
from pileus.drivers.qemu.paths import WireSockets

FRAME_LIMIT = 65550
"""Bytes of a frame."""


class SocketLink:
    """The sockets of a port whose machine is a process of QEMU."""

    def __init__(self, sockets: WireSockets) -> None:
        self._host_path, self._guest_socket = Path(sockets.host), GuestSocket(Path(sockets.guest))
        self._socket = _bind_socket(self._host_path)

    @property
    def reader(self) -> int | None:
        """The descriptor that is readable when a frame has come."""
        return self._socket.fileno()

    @property
    def writer(self) -> int:
        """The descriptor that is writable when the machine can take more."""
        return self._guest_socket.fileno()

    def receive(self) -> bytes:
        """Return the next frame. Raises OSError if there is none."""
        return self._socket.recv(FRAME_LIMIT)

    def send(self, frame: bytes) -> None:
        """Send a frame. Raises BlockingIOError while the machine does not read, and OSError while it does not run."""
        self._guest_socket.send(frame)

    def close(self) -> None:
        """Close the sockets."""
        self._socket.close()
        self._guest_socket.close()
        self._host_path.unlink(missing_ok=True)


def _bind_socket(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    # Its directory says who can send to it: the fabric does not belong to the groups of clients.
    previous = os.umask(0)
    try:
        bound.bind(str(path))
    finally:
        os.umask(previous)
    return bound
