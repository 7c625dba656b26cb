"""The uplink of an interface, by libslirp: outgoing connections, port forwards, and the metadata service."""

import asyncio
import ctypes
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from pileus.drivers.qemu.fabric.dhcp import METADATA
from pileus.drivers.qemu.fabric.frames import ANSWER, ARP, arp, is_sound
from pileus.drivers.qemu.fabric.metadata import Known, Metadata
from pileus.drivers.qemu.fabric.ports import Port
from pileus.drivers.qemu.fabric.slirp import Slirp

HTTP = 80


class Opening(Struct, frozen=True, kw_only=True):
    """A port of a machine that is forwarded from a port of the host."""

    protocol: str
    address: str
    port: int
    host_port: int


class Uplink:
    """The uplink of one interface."""

    def __init__(self, library: ctypes.CDLL, port: Port, heard: Callable[[Port, bytes], None], mtu: int) -> None:
        self._port, self._heard = port, heard
        self._slirp = Slirp(library, self._came, mtu)
        self._open: set[Opening] = set()
        self._socket = Path("md") / f"{port.nic.port_id}.sock"
        self._metadata: Metadata | None = None

    async def serve(self, known: Known) -> None:
        """Serve metadata to the machine."""
        self._socket.unlink(missing_ok=True)
        self._metadata = Metadata(known)
        await self._metadata.listen(str(self._socket))
        self._slirp.serve(str(self._socket), METADATA, HTTP)

    def take(self, frame: bytes) -> bool:
        """Send a frame of the machine out of the host. Return whether it is well-formed.

        One process runs libslirp for all machines, and some versions of it fail on fragments and inconsistent lengths.
        """
        if not is_sound(frame):
            return False
        self._slirp.take(frame)
        return True

    def close_but(self, wanted: set[Opening]) -> None:
        """Close all forwards but these."""
        for opening in self._open - wanted:
            self._slirp.forward_no_more(opening.protocol, opening.host_port)
        self._open &= wanted

    def open(self, opening: Opening) -> bool:
        """Open a forward, if it is not open. Return whether the host port was free."""
        if opening not in self._open:
            if not self._slirp.forward(opening.protocol, opening.host_port, opening.address, opening.port):
                return False
            self._open.add(opening)
        return True

    def close(self) -> None:
        """Close all connections and the metadata service."""
        self._slirp.close()
        if self._metadata:
            self._metadata.close()
        self._socket.unlink(missing_ok=True)

    def _came(self, frame: bytes) -> None:
        """Pass a frame from libslirp to the machine, and answer its ARP requests for the machine's addresses."""
        if int.from_bytes(frame[12:14], "big") != ARP:
            self._heard(self._port, frame)
        elif frame[38:42] in self._port.addresses:
            reply = arp(ANSWER, (self._port.mac, frame[38:42]), (frame[22:28], frame[28:32]))
            # libslirp must not be called from within its own callback.
            asyncio.get_running_loop().call_soon(self._slirp.take, reply)
