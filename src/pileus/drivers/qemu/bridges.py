"""Networks joined with bridges of the host, by TAP devices: making those takes root's rights, using them does not."""

import fcntl
import hashlib
import os
import socket
import struct
from collections.abc import Mapping, Sequence

from pileus.drivers.protocols.compute import DriverError, NetworkSpec
from pileus.drivers.qemu.fabric.state import Bridge
from pileus.drivers.qemu.fabric.taps import HELPERS, attached, helper
from pileus.drivers.qemu.paths import DataDirectory

TUNSETPERSIST, TUNSETOWNER = 0x400454CB, 0x400454CC
"""Requests of the kernel's linux/if_tun.h."""
SIOCBRADDIF, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x89A2, 0x8913, 0x8914, 0x1
"""Requests of linux/sockios.h, and a flag of linux/if.h."""


def connect_bridges(
    bridges: Mapping[str, str], networks: Sequence[NetworkSpec], home: DataDirectory
) -> dict[str, Bridge]:
    """What each of the operator's networks is joined with, by TAP devices that are made if missing; raises DriverError.

    Networks of tenants have no business here: whoever names one like the operator's would be on the host's own.
    """
    owner = home.user.pw_uid if home.user else os.geteuid()
    return {each.id: _joined(each.id, bridges[each.name], owner) for each in networks if each.name in bridges}


def _joined(network_id: str, bridge: str, owner: int) -> Bridge:
    name = f"pl{hashlib.sha256(f'{network_id} {bridge}'.encode()).hexdigest()[:10]}"
    links = {each for _, each in socket.if_nameindex()}
    if bridge not in links:
        raise DriverError(
            f"The host has no bridge {bridge}: make it, or leave it out of --qemu-bridges", retryable=False
        )
    if name in links:
        return Bridge(name=bridge, device=name)
    try:
        _make(name, bridge, owner)
    except PermissionError as problem:
        if helper():
            return Bridge(name=bridge)
        raise DriverError(
            f"Joining a network with bridge {bridge} takes root's rights: start the server with them, let QEMU's"
            f" helper have them (chmod u+s {HELPERS[0]}, and 'allow {bridge}' in /etc/qemu/bridge.conf), or make the"
            f" device before: ip tuntap add {name} mode tap user {owner}; ip link set {name} master {bridge} up",
            retryable=False,
        ) from problem
    except OSError as problem:
        raise DriverError(f"Bridge {bridge} cannot be joined: {problem}", retryable=False) from problem
    return Bridge(name=bridge, device=name)


def _make(name: str, bridge: str, owner: int) -> None:
    """Make a device that stays; it does only when all is done."""
    descriptor = attached(name)
    try:
        fcntl.ioctl(descriptor, TUNSETOWNER, owner)
        _join(name, bridge)
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
