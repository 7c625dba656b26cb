"""The link of a port to a load balancer: a TAP device of its network namespace, whose descriptor is handed over."""

import logging
import os
import socket
from pathlib import Path

from pileus.drivers.qemu.fabric.links import FRAME_LIMIT
from pileus.drivers.qemu.paths import short_socket_path

LOG = logging.getLogger(__name__)
HANDOVER_TIMEOUT = 1.0
"""Seconds that the owner of a device has to hand it over: frames of all machines wait meanwhile."""


class TapLink:
    """A TAP device. Without one, because its owner has ended, all frames are dropped."""

    def __init__(self, path: str, port_id: str) -> None:
        self._descriptor: int | None = None
        try:
            self._descriptor = _receive_tap(Path(path), port_id)
        except OSError as problem:
            LOG.warning("The device of port %s was not handed over: %s", port_id, problem)

    @property
    def reader(self) -> int | None:
        """The descriptor that is readable when a frame has come; None without a device."""
        return self._descriptor

    @property
    def writer(self) -> int:
        """The descriptor that is writable when the device can take more."""
        return -1 if self._descriptor is None else self._descriptor

    def receive(self) -> bytes:
        """Return the next frame. Raises OSError if there is none."""
        return os.read(self.writer, FRAME_LIMIT)

    def send(self, frame: bytes) -> None:
        """Send a frame. Raises BlockingIOError while the device is full, and OSError without one."""
        os.write(self.writer, frame)

    def close(self) -> None:
        """Close the device, which stays with its owner."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _receive_tap(path: Path, port_id: str) -> int:
    """Return the device of a port from the process that has created it. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, short_socket_path(path) as address:
        connection.settimeout(HANDOVER_TIMEOUT)
        connection.connect(address)
        connection.sendall(port_id.encode())
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
    if not descriptors:
        raise OSError(f"there is no device of port {port_id}")
    os.set_blocking(descriptors[0], False)
    return descriptors[0]
