"""TAP devices: they connect a bridge of the host to a network of machines."""

import asyncio
import fcntl
import os
import socket
import stat
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

from pileus.drivers.qemu.fabric.state import HostBridge

TUN = "/dev/net/tun"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
"""Constants of the kernel's linux/if_tun.h."""
HELPER_PATHS = (Path("/usr/lib/qemu/qemu-bridge-helper"), Path("/usr/libexec/qemu-bridge-helper"))
"""Paths of QEMU's bridge helper, which creates devices for users as /etc/qemu/bridge.conf allows."""
FRAME_LIMIT, BATCH, HELPER_TIMEOUT = 65550, 64, 10.0
"""Bytes of a frame, frames that are read at once, and seconds that the helper has."""


class Tap:
    """A TAP device that was created before, or one from the bridge helper."""

    def __init__(self, bridge: HostBridge, network_id: str, on_frame: Callable[["Tap", bytes], None]) -> None:
        self.bridge, self.id, self.network_id, self._on_frame = bridge, network_id, network_id, on_frame
        self._descriptor = open_tap(bridge.device) if bridge.device else open_tap_by_bridge_helper(bridge.name)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def send(self, frame: bytes) -> bool:
        """Send a frame to the bridge. Return whether that succeeded."""
        try:
            os.write(self._descriptor, frame)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the device; one that was created before stays."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                frame = os.read(self._descriptor, FRAME_LIMIT)
            except OSError:
                return
            if len(frame) >= 14:  # of a header
                self._on_frame(self, frame)


def open_tap(name: str) -> int:
    """Open a TAP device, created if it is missing. Raises OSError."""
    try:
        descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as problem:
        raise PermissionError(f"{TUN} is closed to users: chmod 666 {TUN}, as udev does") from problem
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def find_qemu_bridge_helper() -> Path | None:
    """Return QEMU's bridge helper, if it is setuid root."""
    return next((path for path in HELPER_PATHS if path.exists() and path.stat().st_mode & stat.S_ISUID), None)


def open_tap_by_bridge_helper(bridge: str) -> int:
    """Open a temporary device that the helper creates on a bridge; it is removed when it is closed. Raises OSError."""
    program = find_qemu_bridge_helper()
    if program is None:
        raise OSError("qemu-bridge-helper is missing, or not setuid root (chmod u+s)")
    own_socket, helper_socket = socket.socketpair()
    with own_socket, helper_socket:
        result = subprocess.run(  # noqa: S603  # a name of the operator's own
            [str(program), f"--br={bridge}", f"--fd={helper_socket.fileno()}"],
            pass_fds=(helper_socket.fileno(),),
            capture_output=True,
            timeout=HELPER_TIMEOUT,
            check=False,
        )
        if result.returncode:
            raise OSError(result.stderr.decode("utf-8", "replace").strip() or "qemu-bridge-helper refused")
        (descriptor,) = socket.recv_fds(own_socket, 1, 1)[1]
    os.set_blocking(descriptor, False)
    return descriptor
