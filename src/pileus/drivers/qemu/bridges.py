"""Connect networks to bridges of the host by TAP devices: only creating those takes root's rights."""

import fcntl
import hashlib
import os
import socket
import struct
from collections.abc import Mapping, Sequence

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import NetworkSpec
from pileus.drivers.qemu.fabric.state import HostBridge
from pileus.drivers.qemu.fabric.taps import HELPER_PATHS, find_qemu_bridge_helper, open_tap
from pileus.drivers.qemu.paths import DataDirectory

TUNSETPERSIST, TUNSETOWNER = 0x400454CB, 0x400454CC
"""Requests of the kernel's linux/if_tun.h."""
SIOCBRADDIF, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x89A2, 0x8913, 0x8914, 0x1
"""Requests of linux/sockios.h, and a flag of linux/if.h."""


def connect_bridges(
    bridges: Mapping[str, str], networks: Sequence[NetworkSpec], directory: DataDirectory
) -> dict[str, HostBridge]:
    """Return the bridges of networks by network id, with a TAP device created if missing. Raises DriverError.

    Only the operator's networks may be passed: a tenant can give a network any name, also that of a bridged one.
    """
    owner = directory.users.fabric.uid if directory.users.fabric else os.geteuid()
    return {
        network.id: _connect(network.id, bridges[network.name], owner)
        for network in networks
        if network.name in bridges
    }


def _connect(network_id: str, bridge: str, owner: int) -> HostBridge:
    name = f"pl{hashlib.sha256(f'{network_id} {bridge}'.encode()).hexdigest()[:10]}"
    interfaces = {interface for _, interface in socket.if_nameindex()}
    if bridge not in interfaces:
        raise DriverError(
            f"The host has no bridge {bridge}: make it, or leave it out of --qemu-bridges", retryable=False
        )
    if name in interfaces:
        return HostBridge(name=bridge, device=name)
    try:
        _create_tap(name, bridge, owner)
    except PermissionError as problem:
        if find_qemu_bridge_helper():
            return HostBridge(name=bridge)
        raise DriverError(
            f"Connecting a network to bridge {bridge} takes root's rights: start the server with them, let QEMU's"
            f" helper have them (chmod u+s {HELPER_PATHS[0]}, and 'allow {bridge}' in /etc/qemu/bridge.conf), or make"
            f" the device before: ip tuntap add {name} mode tap user {owner}; ip link set {name} master {bridge} up",
            retryable=False,
        ) from problem
    except OSError as problem:
        raise DriverError(
            f"The network cannot be connected to bridge {bridge}: {problem}", retryable=False
        ) from problem
    return HostBridge(name=bridge, device=name)


def _create_tap(name: str, bridge: str, owner: int) -> None:
    """Create a TAP device that is kept once all has succeeded."""
    descriptor = open_tap(name)
    try:
        fcntl.ioctl(descriptor, TUNSETOWNER, owner)
        _add_to_bridge(name, bridge)
        fcntl.ioctl(descriptor, TUNSETPERSIST, 1)
    finally:
        os.close(descriptor)


def _add_to_bridge(name: str, bridge: str) -> None:
    """Add a device to a bridge, and set it up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control_socket:
        index = socket.if_nametoindex(name)
        fcntl.ioctl(control_socket, SIOCBRADDIF, struct.pack("16si20x", bridge.encode(), index))
        request = struct.pack("16sH22x", name.encode(), 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(control_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control_socket, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), flags | IFF_UP))
