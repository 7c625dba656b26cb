"""Networks joined with bridges of the host, by TAP devices: making those takes root's rights, using them does not."""

import fcntl
import hashlib
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from pileus.drivers.driver import DriverError, Segment
from pileus.drivers.qemu.fabric.taps import attached
from pileus.drivers.qemu.home import Home

NET = Path("/sys/class/net")
TUNSETPERSIST, TUNSETOWNER = 0x400454CB, 0x400454CC
"""Requests of the kernel's linux/if_tun.h."""
SIOCBRADDIF, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x89A2, 0x8913, 0x8914, 0x1
"""Requests of linux/sockios.h, and a flag of linux/if.h."""


def tapped(bridges: Mapping[str, str], networks: Sequence[Segment], home: Home) -> dict[str, str]:
    """The TAP device of each network that is joined with a bridge, made if it is missing; raises DriverError."""
    taps = {}
    for network in networks:
        if bridge := bridges.get(network.name):
            taps[network.id] = _tap(network.id, bridge, home.user.pw_uid if home.user else os.geteuid())
    return taps


def _tap(network_id: str, bridge: str, owner: int) -> str:
    name = f"pl{hashlib.sha256(network_id.encode()).hexdigest()[:10]}"
    if (NET / name).exists():
        return name
    if not (NET / bridge / "bridge").exists():
        raise DriverError(
            f"The host has no bridge {bridge}: make it, or leave it out of --qemu-bridges", retryable=False
        )
    try:
        _make(name, owner)
        _join(name, bridge)
    except PermissionError as problem:
        raise DriverError(
            f"Joining a network with bridge {bridge} takes root's rights: start the server with them, or make the"
            f" device before: ip tuntap add {name} mode tap user {owner}; ip link set {name} master {bridge} up",
            retryable=False,
        ) from problem
    return name


def _make(name: str, owner: int) -> None:
    descriptor = attached(name)
    try:
        fcntl.ioctl(descriptor, TUNSETOWNER, owner)
        fcntl.ioctl(descriptor, TUNSETPERSIST, 1)
    finally:
        os.close(descriptor)


def _join(name: str, bridge: str) -> None:
    """Make it a port of the bridge, and turn it on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        index = socket.if_nametoindex(name)
        fcntl.ioctl(any_socket, SIOCBRADDIF, struct.pack("16si20x", bridge.encode(), index))
        asked = struct.pack("16sH22x", name.encode(), 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), flags | IFF_UP))
