"""Ports of machines: each is a datagram socket on which a message is a frame."""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

from pileus.drivers.qemu.fabric.address_ranges import parse_address_range
from pileus.drivers.qemu.fabric.firewall import Firewall
from pileus.drivers.qemu.fabric.frames import link_local_address, pack_ip_address, parse_mac_address
from pileus.drivers.qemu.fabric.guest_sockets import GuestSocket
from pileus.drivers.qemu.fabric.state import MachineNic, PortTrafficCounters
from pileus.drivers.qemu.paths import WireSockets

FRAME_LIMIT, BATCH, QUEUE_LIMIT = 65550, 64, 512
"""Bytes of a frame, frames that are read at once, and frames that may wait for a slow machine."""


class SwitchPort:
    """The port of one interface: its addresses, its firewall and its counters."""

    def __init__(self, wire: MachineNic, on_frame: Callable[["SwitchPort", bytes], None], *, shared: bool) -> None:
        self.counters, self.firewall = PortTrafficCounters(), Firewall()
        self._on_frame = on_frame
        self._queue: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        self.user_id = wire.user_id
        sockets = WireSockets.of(wire.nic.port_id, wire.user_id)
        self._host_path, self._guest_socket = Path(sockets.host), GuestSocket(Path(sockets.guest))
        self._socket = _bind_socket(self._host_path)
        self._loop.add_reader(self._socket, self._read)
        self.update(wire, shared=shared)

    def update(self, wire: MachineNic, *, shared: bool) -> None:
        """Set the interface of the port, whose addresses may change.

        In a network that tenants share, source addresses are checked even without port security.
        """
        self.machine_id, self.nic = wire.machine_id, wire.nic
        nic = wire.nic
        self.checks_source = nic.secured or shared
        self.id, self.network_id = nic.port_id, nic.network_id
        self.mac = parse_mac_address(nic.mac_address)
        self.addresses = {pack_ip_address(address) for address in nic.addresses}
        self.macs = {self.mac, *(parse_mac_address(pair.mac_address) for pair in nic.pairs if pair.mac_address)}
        self.own_addresses = self.addresses | {link_local_address(mac_address) for mac_address in self.macs}
        # A pair may be an address range.
        self.pairs = [parse_address_range(pair.ip_address) for pair in nic.pairs]

    def may_send_from(self, address: bytes) -> bool:
        """Return whether the machine may use an address as its source: its own, or one of its address pairs."""
        return address in self.own_addresses or any(pair.contains(address) for pair in self.pairs)

    def may_have(self, address: bytes) -> bool:
        """Return whether the machine may answer requests for an address."""
        return not self.checks_source or self.may_send_from(address)

    def send(self, frame: bytes) -> None:
        """Send a frame to the machine, or queue it while the machine does not read."""
        if self._queue:
            self._enqueue(frame)
            return
        try:
            self._guest_socket.send(frame)
        except BlockingIOError:
            self._loop.add_writer(self._guest_socket.fileno(), self._flush)
            self._enqueue(frame)
        except OSError:
            # The machine does not run.
            self.counters.dropped += 1
        else:
            self._count(frame)

    def close(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._guest_socket.fileno())
        self._socket.close()
        self._guest_socket.close()
        self._host_path.unlink(missing_ok=True)

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                frame = self._socket.recv(FRAME_LIMIT)
            except OSError:
                return
            self.counters.packets_out += 1
            self.counters.bytes_out += len(frame)
            self._on_frame(self, frame)

    def _flush(self) -> None:
        while self._queue:
            try:
                self._guest_socket.send(self._queue[0])
            except BlockingIOError:
                return
            except OSError:
                self.counters.dropped += len(self._queue)
                self._queue.clear()
                break
            self._count(self._queue.popleft())
        self._loop.remove_writer(self._guest_socket.fileno())

    def _enqueue(self, frame: bytes) -> None:
        if len(self._queue) < QUEUE_LIMIT:
            self._queue.append(frame)
        else:
            self.counters.dropped += 1

    def _count(self, frame: bytes) -> None:
        self.counters.packets_in += 1
        self.counters.bytes_in += len(frame)


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
