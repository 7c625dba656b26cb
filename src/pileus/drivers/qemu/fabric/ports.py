"""Ports of machines and load balancers."""

import asyncio
from collections import deque
from collections.abc import Callable

from pileus.drivers.qemu.fabric.address_ranges import parse_address_range
from pileus.drivers.qemu.fabric.firewall import Firewall
from pileus.drivers.qemu.fabric.frames import link_local_address, pack_ip_address, parse_mac_address
from pileus.drivers.qemu.fabric.links import SocketLink
from pileus.drivers.qemu.fabric.state import MachineNic, PortTrafficCounters
from pileus.drivers.qemu.fabric.tap_links import TapLink
from pileus.drivers.qemu.paths import WireSockets

BATCH, QUEUE_LIMIT = 64, 512
"""Frames that are read at once, and frames that may wait for a slow machine."""


class SwitchPort:
    """The port of one interface: its addresses, its firewall and its counters."""

    def __init__(self, wire: MachineNic, on_frame: Callable[["SwitchPort", bytes], None], *, shared: bool) -> None:
        self.counters, self.firewall = PortTrafficCounters(), Firewall()
        self._on_frame = on_frame
        self._queue: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        self._user_id, self._tap = wire.user_id, wire.tap
        self._link: SocketLink | TapLink = (
            TapLink(wire.tap, wire.nic.port_id)
            if wire.tap
            else SocketLink(WireSockets.of(wire.nic.port_id, wire.user_id))
        )
        if (descriptor := self._link.reader) is not None:
            self._loop.add_reader(descriptor, self._read)
        self.update(wire, shared=shared)

    def can_serve(self, wire: MachineNic) -> bool:
        """Return whether an interface has the same sockets: a machine that is started as another user has others.

        A device that was not handed over is asked for again.
        """
        return self._link.reader is not None and (wire.user_id, wire.tap) == (self._user_id, self._tap)

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
            self._link.send(frame)
        except BlockingIOError:
            self._loop.add_writer(self._link.writer, self._flush)
            self._enqueue(frame)
        except OSError:
            # The machine does not run.
            self.counters.dropped += 1
        else:
            self._count(frame)

    def close(self) -> None:
        """Close the sockets or the device."""
        if (descriptor := self._link.reader) is not None:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(self._link.writer)
        self._link.close()

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                frame = self._link.receive()
            except BlockingIOError:
                return
            except OSError:
                # A device that is gone stays readable.
                if self._tap and self._link.reader is not None:
                    self._loop.remove_reader(self._link.reader)
                return
            self.counters.packets_out += 1
            self.counters.bytes_out += len(frame)
            self._on_frame(self, frame)

    def _flush(self) -> None:
        while self._queue:
            try:
                self._link.send(self._queue[0])
            except BlockingIOError:
                return
            except OSError:
                self.counters.dropped += len(self._queue)
                self._queue.clear()
                break
            self._count(self._queue.popleft())
        self._loop.remove_writer(self._link.writer)

    def _enqueue(self, frame: bytes) -> None:
        if len(self._queue) < QUEUE_LIMIT:
            self._queue.append(frame)
        else:
            self.counters.dropped += 1

    def _count(self, frame: bytes) -> None:
        self.counters.packets_in += 1
        self.counters.bytes_in += len(frame)
