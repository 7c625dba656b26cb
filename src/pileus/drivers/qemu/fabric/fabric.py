"""The fabric as a whole: it applies states, saves the last one, and reports what it does."""

import ctypes
import hashlib
import logging
import os
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import msgspec

from pileus.drivers.protocols.guests import PortForward
from pileus.drivers.qemu.fabric.plan import MTU, Plan
from pileus.drivers.qemu.fabric.ports import Port
from pileus.drivers.qemu.fabric.slirp import LOOPBACK
from pileus.drivers.qemu.fabric.state import Forward, Guest, Report, SavedState, State
from pileus.drivers.qemu.fabric.switch import Switch
from pileus.drivers.qemu.fabric.taps import Tap
from pileus.drivers.qemu.fabric.uplink import Opening, Uplink

LOG = logging.getLogger(__name__)
KEPT = Path("state.json")
FIRST, LAST = 20000, 29999
"""Ports of the host that are forwarded to machines."""


class Fabric:
    """The fabric of a host, in the current directory."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.switch = Switch(library)
        self._state = State(revision=0)
        self._host_ports: dict[str, int] = {}
        self._forwards: list[Forward] = []

    async def remember(self) -> None:
        """Apply the saved state of an earlier process, if there is one."""
        if KEPT.exists():
            kept = msgspec.json.decode(KEPT.read_bytes(), type=SavedState)
            self._host_ports = kept.host_ports
            await self.become(kept.state)

    async def become(self, state: State) -> None:
        """Apply a state, unless a later one has been applied. Raises OSError for bridges that cannot be connected."""
        if state.revision <= self._state.revision:
            return
        self._state = state
        self.switch.plan = Plan(state)
        self._wire()
        await self._lead_out()
        self._open()
        self._keep()
        self._join()

    def report(self) -> Report:
        """Return the revision of the state, port forwards and counters."""
        counters = {port_id: port.counters for port_id, port in self.switch.ports.items()}
        return Report(revision=self._state.revision, forwards=self._forwards, counters=counters)

    def close(self) -> None:
        """Close all sockets and devices."""
        for ends in (self.switch.outsides, self.switch.ports, self.switch.taps):
            while ends:
                ends.popitem()[1].close()

    def _wire(self) -> None:
        """Create, update and remove ports, with the rules of their security groups."""
        switch, plan = self.switch, self.switch.plan
        for port_id in switch.ports.keys() - plan.wires.keys():
            if outside := switch.outsides.pop(port_id, None):
                outside.close()
            switch.ports.pop(port_id).close()
        for port_id, wire in plan.wires.items():
            shared = wire.nic.network_id in plan.external
            if port_id in switch.ports:
                switch.ports[port_id].become(wire, shared=shared)
            else:
                switch.ports[port_id] = Port(wire, switch.from_machine, shared=shared)
            switch.ports[port_id].guard.learn(plan.patterns(wire.nic))
        switch.index()

    async def _lead_out(self) -> None:
        """Create the uplink of each port that has none."""
        for port_id, port in self.switch.ports.items():
            if port_id not in self.switch.outsides:
                mtu = min(self.switch.plan.mtus.get(port.nic.network_id, MTU), MTU)
                outside = Uplink(self.switch.library, port, self.switch.from_host, mtu)
                self.switch.outsides[port_id] = outside
                await outside.serve(partial(self._known, port))

    def _known(self, port: Port) -> tuple[Guest, str, str] | None:
        """Return the guest behind a port, and the addresses by which it asks for metadata."""
        guest = self.switch.plan.guests.get(port.machine_id)
        address = next((each for each in port.nic.addresses if ":" not in each), "")
        return None if guest is None else (guest, address, port.nic.mac_address)

    def _open(self) -> None:
        """Forward ports of the host as security groups allow; a forward keeps its host port."""
        wanted = {
            f"{port_id} {protocol} {address} {number}": (port, protocol, address, number)
            for port_id, port in self.switch.ports.items()
            for protocol, address, number in self.switch.plan.openings(port.nic)
        }
        self._host_ports = {key: host_port for key, host_port in self._host_ports.items() if key in wanted}
        openings: dict[str, set[Opening]] = {port_id: set() for port_id in self.switch.ports}
        for key, (port, protocol, address, number) in wanted.items():
            if host_port := self._host_ports.get(key):
                openings[port.nic.port_id].add(
                    Opening(protocol=protocol, address=address, port=number, host_port=host_port)
                )
        for port_id, its in openings.items():
            self.switch.outsides[port_id].close_but(its)
        opened = [self._opened(key, *what) for key, what in wanted.items()]
        self._forwards = [forward for forward in opened if forward]

    def _opened(self, key: str, port: Port, protocol: str, address: str, number: int) -> Forward | None:
        """Open a forward by a free port of the host; return None if no port is free."""
        outside = self.switch.outsides[port.nic.port_id]
        had = [self._host_ports[key]] if key in self._host_ports else []
        for host_port in chain(had, self._free(key)):
            if outside.open(Opening(protocol=protocol, address=address, port=number, host_port=host_port)):
                self._host_ports[key] = host_port
                way = PortForward(
                    protocol=protocol, address=address, port=number, host_address=LOOPBACK, host_port=host_port
                )
                return Forward(port_id=port.nic.port_id, machine_id=port.machine_id, way=way)
        LOG.error("No port of the host is free for port %d of %s", number, address)
        return None

    def _free(self, key: str) -> Iterator[int]:
        """Yield unused ports of the host, beginning at one that depends on the key alone."""
        taken, count = set(self._host_ports.values()), LAST - FIRST + 1
        begin = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % count
        yield from (each for at in range(count) if (each := FIRST + (begin + at) % count) not in taken)

    def _join(self) -> None:
        """Connect networks to bridges. Raises OSError for those that fail, after all others are connected."""
        switch, wanted = self.switch, self.switch.plan.bridges
        for network_id in [each for each, tap in switch.taps.items() if wanted.get(each) != tap.bridge]:
            switch.taps.pop(network_id).close()
        wrong = []
        for network_id in wanted.keys() - switch.taps.keys():
            try:
                switch.taps[network_id] = Tap(wanted[network_id], network_id, switch.from_tap)
            except OSError as problem:
                wrong.append(f"bridge {wanted[network_id].name} cannot be joined: {problem}")
        if wrong:
            raise OSError("; ".join(wrong))

    def _keep(self) -> None:
        new = KEPT.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_bytes(msgspec.json.encode(SavedState(state=self._state, host_ports=self._host_ports)))
        os.replace(new, KEPT)  # noqa: PTH105  # a name, not a path
