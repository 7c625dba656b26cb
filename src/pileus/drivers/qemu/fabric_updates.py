"""The network of the host: its state is sent to the fabric, the process that carries the frames of all machines."""

import asyncio
import logging
from contextlib import suppress

from msgspec.structs import replace

from pileus.domain.catalogue import Catalogue
from pileus.domain.compute.user_data import decode_user_data
from pileus.drivers.cloud_init import valid_host_name
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.guests import PortForward
from pileus.drivers.protocols.network import (
    FloatingIPSpec,
    NetworkSpec,
    NicSpec,
    RouterSpec,
    SecurityGroupSpec,
    SubnetSpec,
)
from pileus.drivers.qemu.bridges import connect_bridges
from pileus.drivers.qemu.fabric import client
from pileus.drivers.qemu.fabric.state import (
    VERSION,
    FabricReport,
    FabricState,
    GuestMetadata,
    MachineNic,
    RouterWithNics,
)
from pileus.drivers.qemu.fabric.tables import MTU
from pileus.drivers.qemu.ganesha.records import FileShareRecord, FileShareRecords
from pileus.drivers.qemu.haproxy.records import LoadBalancerRecord, LoadBalancerRecords
from pileus.drivers.qemu.log_files import FABRIC_LOG
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.paths import tap_socket
from pileus.drivers.qemu.state import QemuStateFile

LOG = logging.getLogger(__name__)
FABRIC = "fabric"
"""The name of the fabric among the child processes; no machine's id."""
START_ATTEMPTS, START_INTERVAL = 100, 0.1
"""How often, and after how many seconds each, a fabric that was just started is tried."""


class FabricUpdater:
    """Sends the state of the network to the fabric, and starts the fabric if it does not run."""

    def __init__(
        self, control: MachineControl, state: QemuStateFile, catalogue: Catalogue, bridges: dict[str, str]
    ) -> None:
        self._directory, self._records, self._children = control.directory, control.records, control.children
        self._state, self._bridges, self._load_balancer_records = state, bridges, LoadBalancerRecords(state)
        self._file_share_records = FileShareRecords(state)
        self._external_networks, self._external_subnets = _external(catalogue)
        self._lock = asyncio.Lock()

    async def send_network_state(self) -> FabricReport:
        """Send the present state to the fabric; of two states, it keeps the later. Raises DriverError."""
        async with self._lock:
            state = self._read_state()
            with suppress(client.FabricNotRunning):
                report = await client.apply_state(self._directory.net, state)
                if report.version >= VERSION:
                    return report
                LOG.info("The fabric of an earlier version is replaced: open connections of machines end")
                await client.stop(self._directory.net)
            if (child := self._children.by_name.get(FABRIC)) is not None:
                child.kill()
            self._children.track(FABRIC, client.start(self._directory.net, self._directory.users.fabric))
            return await self._apply_when_started(state)

    async def fetch_report(self) -> FabricReport:
        """Return the fabric's port forwards and counters. Raises DriverError."""
        try:
            return await client.fetch_report(self._directory.net)
        except client.FabricNotRunning:
            return await self.send_network_state()

    async def port_forwards(self, machine_id: str) -> list[PortForward]:
        """Return the ports of the host that are forwarded to a machine."""
        return [forward.way for forward in (await self.fetch_report()).forwards if forward.machine_id == machine_id]

    def subnets_for_guests(self) -> list[SubnetSpec]:
        """Return every subnet as machines and load balancers see it: only a bridge has an IPv6 gateway."""
        bridged = {network.id for network in self._external_networks if network.name in self._bridges}
        return [
            replace(subnet, gateway_ip=None)
            if ":" in (subnet.gateway_ip or "") and subnet.network_id not in bridged
            else subnet
            for subnet in self._subnets()
        ]

    def mtus(self) -> dict[str, int]:
        """Return the MTU of each network by its id."""
        networks = [*self._state.load_all_specs("networks", NetworkSpec), *self._external_networks]
        return {network.id: min(network.mtu, MTU) for network in networks}

    async def _apply_when_started(self, state: FabricState) -> FabricReport:
        for _ in range(START_ATTEMPTS):
            await asyncio.sleep(START_INTERVAL)
            with suppress(client.FabricNotRunning):
                return await client.apply_state(self._directory.net, state)
        raise DriverError(f"The network does not come up: see {self._directory.net / FABRIC_LOG}", retryable=True)

    def _read_state(self) -> FabricState:
        with self._state.read_network_revision() as revision:
            records = self._records.by_id()
            user_ids = {machine_id: record.user_id for machine_id, record in records.items()}
            balancers, shares = self._load_balancer_records.by_id(), self._file_share_records.by_id()
            wires = [
                _balancer_nic(balancers[machine_id], nic)
                if machine_id in balancers
                else _share_nic(shares[machine_id])
                if machine_id in shares
                else MachineNic(machine_id=machine_id, nic=nic, user_id=user_ids.get(machine_id))
                for machine_id, nic in self._state.all_nics_with_machine_ids()
            ]
            used_group_ids = {group_id for wire in wires for group_id in wire.nic.groups}
            return FabricState(
                revision=revision,
                wires=wires,
                networks=[*self._state.load_all_specs("networks", NetworkSpec), *self._external_networks],
                subnets=self._subnets(),
                routers=[
                    RouterWithNics(router=router, nics=self._state.router_nics(router.id))
                    for router in self._state.load_all_specs("routers", RouterSpec)
                ],
                security_groups=[
                    group
                    for group in self._state.load_all_specs("security_groups", SecurityGroupSpec)
                    if group.id in used_group_ids
                ],
                floating_ips=self._state.load_all_specs("floating_ips", FloatingIPSpec),
                guests=[guest_metadata(record.machine) for record in records.values()],
                outside=[network.id for network in self._external_networks],
                bridges=connect_bridges(self._bridges, self._external_networks, self._directory),
            )

    def _subnets(self) -> list[SubnetSpec]:
        """Return every subnet, those of external networks too."""
        return [*self._state.load_all_specs("subnets", SubnetSpec), *self._external_subnets]


def _balancer_nic(record: LoadBalancerRecord, nic: NicSpec) -> MachineNic:
    """Return an interface of a load balancer. Each start of its process has a name of its own for the socket."""
    spec = record.load_balancer
    is_vip, listeners = nic.port_id == spec.vip.port_id, spec.listeners if spec.admin_state_up else []
    return MachineNic(
        machine_id=spec.id,
        nic=nic,
        tap=f"../load_balancers/{spec.id}/{tap_socket(record.starts)}",
        public_ports=[listener.protocol_port for listener in listeners if listener.admin_state_up] if is_vip else [],
    )


def _share_nic(record: FileShareRecord) -> MachineNic:
    """Return the interface of a file share, at the socket of the last start of its process."""
    share_id = record.share.id
    return MachineNic(machine_id=share_id, nic=record.nic, tap=f"../file_shares/{share_id}/{tap_socket(record.starts)}")


def _external(catalogue: Catalogue) -> tuple[list[NetworkSpec], list[SubnetSpec]]:
    """Return the external networks of the catalogue, and their subnets."""
    records = [record for region in catalogue.regions for record in catalogue.external_network_records(region.id, 0)]
    subnets = [SubnetSpec.of(subnet) for _, network_subnets in records for subnet in network_subnets]
    return [NetworkSpec.of(network) for network, _ in records], subnets


def guest_metadata(machine: MachineSpec) -> GuestMetadata:
    """Return what the metadata service serves to a machine."""
    text, binary = _user_data(machine)
    return GuestMetadata(
        machine_id=machine.id,
        name=machine.name,
        host_name=valid_host_name(machine.name),
        tags=machine.tags,
        ssh_public_key=machine.ssh_public_key,
        user_data=text,
        binary_user_data=binary,
        instance_type=machine.flavor_id,
    )


def _user_data(machine: MachineSpec) -> tuple[str | None, bytes | None]:
    """Return the tenant's user data as text if possible, or else as bytes."""
    content = decode_user_data(machine.boot.user_data or "")
    try:
        return content.decode() or None, None
    except UnicodeDecodeError:
        return None, content
