"""The fabric as a whole: it applies states, saves the last one, and reports what it does."""

import asyncio
import ctypes
import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

import msgspec

from pileus.drivers.protocols.guests import PortForward
from pileus.drivers.qemu.fabric.frame_errors import ErrorCounter
from pileus.drivers.qemu.fabric.metadata import RequestingGuest
from pileus.drivers.qemu.fabric.ports import SwitchPort
from pileus.drivers.qemu.fabric.slirp import LOOPBACK
from pileus.drivers.qemu.fabric.state import (
    VERSION,
    FabricReport,
    FabricState,
    MachinePortForward,
    SavedFabricState,
)
from pileus.drivers.qemu.fabric.switch import Switch
from pileus.drivers.qemu.fabric.tables import MTU, NetworkTables
from pileus.drivers.qemu.fabric.taps import Tap
from pileus.drivers.qemu.fabric.uplink import ForwardRule, Uplink
from pileus.drivers.qemu.paths import atomic_write

LOG = logging.getLogger(__name__)
STATE_FILE = Path("state.json")
DISK = ThreadPoolExecutor(1, "disk")
"""Writes the state. Python would import the threads of asyncio later, as a user who may not read its modules."""
FIRST_HOST_PORT, LAST_HOST_PORT = 20000, 29999
"""Ports of the host that are forwarded to machines."""


class Fabric:
    """The fabric of a host, in the current directory."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.switch, self.errors = Switch(library), ErrorCounter()
        self._handle_machine_frame = self.errors.guarded(self.switch.handle_machine_frame)
        self._handle_uplink_frame = self.errors.guarded(self.switch.handle_uplink_frame)
        self._handle_bridge_frame = self.errors.guarded(self.switch.handle_bridge_frame)
        self._state = FabricState(revision=0)
        self._host_ports: dict[str, int] = {}
        self._forwards: list[MachinePortForward] = []

    async def restore_saved_state(self) -> None:
        """Apply the saved state of an earlier process, if there is one, as far as that is possible.

        If it is cut, or a bridge is gone, the network must come up: the driver sends a later state.
        """
        if not STATE_FILE.exists():
            return
        try:
            saved = msgspec.json.decode(STATE_FILE.read_bytes(), type=SavedFabricState)
            self._host_ports = saved.host_ports
            await self.apply(saved.state)
        except (OSError, ValueError, msgspec.MsgspecError):
            LOG.exception("The saved state of the network could not be restored completely")

    async def apply(self, state: FabricState) -> None:
        """Apply a state, unless a later one has been applied. Raises OSError for bridges that cannot be connected."""
        if state.revision <= self._state.revision:
            return
        self._state = state
        self.switch.tables = NetworkTables(state)
        self._update_ports()
        await self._add_uplinks()
        self._update_forwards()
        await self._save()
        self._update_taps()

    def report(self) -> FabricReport:
        """Return the revision of the state, port forwards, counters and errors."""
        counters = {port_id: port.counters for port_id, port in self.switch.ports.items()}
        return FabricReport(
            revision=self._state.revision,
            version=VERSION,
            forwards=self._forwards,
            counters=counters,
            malformed=self.switch.malformed,
            errors=dict(self.errors.counts),
        )

    def close(self) -> None:
        """Close all sockets and devices."""
        for endpoints in (self.switch.uplinks, self.switch.ports, self.switch.taps):
            while endpoints:
                endpoints.popitem()[1].close()

    def _update_ports(self) -> None:
        """Create, update and remove ports, with the rules of their security groups."""
        switch, tables = self.switch, self.switch.tables
        for port_id, port in list(switch.ports.items()):
            if port_id in tables.wires and port.can_serve(tables.wires[port_id]):
                continue
            if uplink := switch.uplinks.pop(port_id, None):
                uplink.close()
            switch.ports.pop(port_id).close()
        for port_id, wire in tables.wires.items():
            shared = wire.nic.network_id in tables.external
            if port_id in switch.ports:
                switch.ports[port_id].update(wire, shared=shared)
            else:
                switch.ports[port_id] = SwitchPort(wire, self._handle_machine_frame, shared=shared)
            switch.ports[port_id].firewall.update_rules(tables.firewall_rules(wire.nic))
        switch.rebuild_index()

    async def _add_uplinks(self) -> None:
        """Create the uplink of each port that has none."""
        for port_id, port in self.switch.ports.items():
            if port_id not in self.switch.uplinks:
                mtu = min(self.switch.tables.mtus.get(port.nic.network_id, MTU), MTU)
                uplink = Uplink(self.switch.library, port, self._handle_uplink_frame, mtu)
                self.switch.uplinks[port_id] = uplink
                await uplink.serve_metadata(partial(self._metadata_source, port))

    def _metadata_source(self, port: SwitchPort) -> RequestingGuest | None:
        """Return the guest behind a port."""
        return self.switch.tables.requesting_guest(port.nic)

    def _update_forwards(self) -> None:
        """Forward ports of the host as security groups allow; a forward keeps its host port."""
        targets = {
            f"{port_id} {protocol} {address} {port_number}": (port, protocol, address, port_number)
            for port_id, port in self.switch.ports.items()
            for protocol, address, port_number in self.switch.tables.publicly_open_ports(port_id)
        }
        self._host_ports = {key: host_port for key, host_port in self._host_ports.items() if key in targets}
        rules: dict[str, set[ForwardRule]] = {port_id: set() for port_id in self.switch.ports}
        for key, (port, protocol, address, port_number) in targets.items():
            if host_port := self._host_ports.get(key):
                rules[port.nic.port_id].add(
                    ForwardRule(protocol=protocol, address=address, port=port_number, host_port=host_port)
                )
        for port_id, port_rules in rules.items():
            self.switch.uplinks[port_id].close_forwards_except(port_rules)
        forwards = [self._open_forward(key, *target) for key, target in targets.items()]
        self._forwards = [forward for forward in forwards if forward]

    def _open_forward(
        self, key: str, port: SwitchPort, protocol: str, address: str, port_number: int
    ) -> MachinePortForward | None:
        """Open a forward by a free port of the host; return None if no port is free."""
        uplink = self.switch.uplinks[port.nic.port_id]
        previous = [self._host_ports[key]] if key in self._host_ports else []
        for host_port in chain(previous, self._free_host_ports(key)):
            if uplink.open_forward(
                ForwardRule(protocol=protocol, address=address, port=port_number, host_port=host_port)
            ):
                self._host_ports[key] = host_port
                port_forward = PortForward(
                    protocol=protocol, address=address, port=port_number, host_address=LOOPBACK, host_port=host_port
                )
                return MachinePortForward(port_id=port.nic.port_id, machine_id=port.machine_id, way=port_forward)
        LOG.error("No port of the host is free for port %d of %s", port_number, address)
        return None

    def _free_host_ports(self, key: str) -> Iterator[int]:
        """Yield unused ports of the host, beginning at one that depends on the key alone."""
        used, count = set(self._host_ports.values()), LAST_HOST_PORT - FIRST_HOST_PORT + 1
        first = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % count
        yield from (
            host_port for index in range(count) if (host_port := FIRST_HOST_PORT + (first + index) % count) not in used
        )

    def _update_taps(self) -> None:
        """Connect networks to bridges. Raises OSError for those that fail, after all others are connected."""
        switch, bridges = self.switch, self.switch.tables.bridges
        for network_id in [
            network_id for network_id, tap in switch.taps.items() if bridges.get(network_id) != tap.bridge
        ]:
            switch.taps.pop(network_id).close()
        errors = []
        for network_id in bridges.keys() - switch.taps.keys():
            try:
                switch.taps[network_id] = Tap(bridges[network_id], network_id, self._handle_bridge_frame)
            except OSError as problem:
                errors.append(f"bridge {bridges[network_id].name} cannot be connected: {problem}")
        if errors:
            raise OSError("; ".join(errors))

    async def _save(self) -> None:
        content = msgspec.json.encode(SavedFabricState(state=self._state, host_ports=self._host_ports))
        # Frames are forwarded while the disk writes.
        await asyncio.get_running_loop().run_in_executor(DISK, _write_state_file, content)


def _write_state_file(content: bytes) -> None:
    with atomic_write(STATE_FILE, durable=True) as new:
        new.touch(mode=0o600)
        new.write_bytes(content)
