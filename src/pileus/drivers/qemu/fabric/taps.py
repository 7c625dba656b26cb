"""A TAP device: a network of the host, as one more end of a network of machines."""

import asyncio
import fcntl
import os
import struct
from collections.abc import Callable

TUN = "/dev/net/tun"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
"""Of the kernel's linux/if_tun.h."""
LONGEST, AT_ONCE = 65550, 64


class Tap:
    """A device that somebody has made for us."""

    def __init__(self, name: str, network_id: str, heard: Callable[["Tap", bytes], None]) -> None:
        self.name, self.id, self.network_id, self._heard = name, network_id, network_id, heard
        self._descriptor = attached(name)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def send(self, frame: bytes) -> bool:
        """Let the host's network have a frame; whether it took it."""
        try:
            os.write(self._descriptor, frame)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Leave the network; the device stays."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        for _ in range(AT_ONCE):
            try:
                frame = os.read(self._descriptor, LONGEST)
            except OSError:
                return
            if len(frame) >= 14:  # noqa: PLR2004  # of a header
                self._heard(self, frame)


def attached(name: str) -> int:
    """A descriptor of a TAP device, which is made if it is not there and we may make it; raises OSError."""
    descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
