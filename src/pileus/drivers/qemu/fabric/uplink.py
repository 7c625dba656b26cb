"""The uplink of an interface, by libslirp: outgoing connections, port forwards, and the metadata service."""

import asyncio
import ctypes
import resource
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from pileus.drivers.qemu.fabric.dhcp import METADATA
from pileus.drivers.qemu.fabric.frames import (
    ARP,
    ETHERNET,
    IPV4_HEADER,
    REPLY,
    TCP,
    build_arp_frame,
    is_well_formed_ipv4,
)
from pileus.drivers.qemu.fabric.metadata import MetadataService, MetadataSource
from pileus.drivers.qemu.fabric.ports import SwitchPort
from pileus.drivers.qemu.fabric.slirp import Slirp

HTTP = 80
FLOW_LIMIT, PORTS_AT_LIMIT = 1024, 8
"""Sockets that an interface may have, and how many interfaces must find them among those of the process.

libslirp closes a socket of UDP four minutes after its last datagram, that of a DNS query after ten seconds.
"""
FLAGS, OPENING_FLAGS, SYN = ETHERNET + IPV4_HEADER + 13, 0x37, 0x02
"""The offset of the flags in a frame of TCP, those by which libslirp knows the first packet, and their value then."""


class ForwardRule(Struct, frozen=True, kw_only=True):
    """A port of a machine that is forwarded from a port of the host."""

    protocol: str
    address: str
    port: int
    host_port: int


class Uplink:
    """The uplink of one interface."""

    def __init__(
        self, library: ctypes.CDLL, port: SwitchPort, on_frame: Callable[[SwitchPort, bytes], None], mtu: int
    ) -> None:
        self._port, self._on_frame = port, on_frame
        self._slirp = Slirp(library, self._from_slirp, mtu)
        self._forwards: set[ForwardRule] = set()
        self._socket = Path("md") / f"{port.nic.port_id}.sock"
        self._metadata: MetadataService | None = None
        self._flow_limit = min(FLOW_LIMIT, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // PORTS_AT_LIMIT)

    async def serve_metadata(self, source: MetadataSource) -> None:
        """Serve metadata to the machine."""
        self._socket.unlink(missing_ok=True)
        self._metadata = MetadataService(source)
        await self._metadata.listen(str(self._socket))
        self._slirp.connect_address_to_unix_socket(str(self._socket), METADATA, HTTP)

    @property
    def open_sockets(self) -> int:
        """The number of sockets of the host that the interface has."""
        return self._slirp.open_sockets

    def send(self, frame: bytes) -> bool:
        """Send a frame of the machine out of the host. Return whether it is well-formed, and within the limit of flows.

        One process runs libslirp for all machines, and some versions of it fail on fragments and inconsistent lengths.
        No machine may use up the descriptors of that process.
        """
        if not is_well_formed_ipv4(frame):
            return False
        if may_open_flow(frame) and self.open_sockets >= self._flow_limit:
            return False
        self._slirp.pass_frame(frame)
        return True

    def close_forwards_except(self, kept: set[ForwardRule]) -> None:
        """Close all forwards but these."""
        for rule in self._forwards - kept:
            self._slirp.remove_host_forward(rule.protocol, rule.host_port)
        self._forwards &= kept

    def open_forward(self, rule: ForwardRule) -> bool:
        """Open a forward, if it is not open. Return whether the host port was free."""
        if rule not in self._forwards:
            if not self._slirp.add_host_forward(rule.protocol, rule.host_port, rule.address, rule.port):
                return False
            self._forwards.add(rule)
        return True

    def close(self) -> None:
        """Close all connections and the metadata service."""
        self._slirp.close()
        if self._metadata:
            self._metadata.close()
        self._socket.unlink(missing_ok=True)

    def _from_slirp(self, frame: bytes) -> None:
        """Pass a frame from libslirp to the machine, and answer its ARP requests for the machine's addresses."""
        if int.from_bytes(frame[12:14], "big") != ARP:
            self._on_frame(self._port, frame)
        elif self._port.may_have(frame[38:42]):
            reply = build_arp_frame(REPLY, (self._port.mac, frame[38:42]), (frame[22:28], frame[28:32]))
            # libslirp must not be called from within its own callback.
            asyncio.get_running_loop().call_soon(self._slirp.pass_frame, reply)


def may_open_flow(frame: bytes) -> bool:
    """Return whether libslirp may open a socket for a well-formed frame: for each but those of open TCP connections."""
    return frame[ETHERNET + 9] != TCP or frame[FLAGS] & OPENING_FLAGS == SYN
