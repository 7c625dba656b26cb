"""The network of the simulated cloud: only its specifications are stored, as no traffic is carried."""

from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec import Struct

from pileus.domain.simulated_cloud import SimulatedNetworkPart, SimulatedProtection
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import (
    FloatingIPSpec,
    NetworkSpec,
    NicSpec,
    RouterSpec,
    SecurityGroupSpec,
    SubnetSpec,
)
from pileus.drivers.protocols.records import Records
from pileus.drivers.simulated.state import SimulationState

Spec = TypeVar("Spec", bound=Struct)


class PartKind(StrEnum):
    """The kinds of the parts of the network."""

    NIC = "nic"
    NETWORK = "network"
    SUBNET = "subnet"
    ROUTER = "router"
    ROUTER_INTERFACE = "router_interface"
    SECURITY_GROUP = "security_group"
    FLOATING_IP = "floating_ip"
    LOAD_BALANCER = "load_balancer"


class SimulatedNetworks(SimulationState):
    """Fulfils the Protocols of `drivers/protocols/network.py`."""

    async def ensure_interface(self, machine_id: str, nic: NicSpec) -> None:
        """Attach an interface to a machine, or update it."""
        await self.save_part(PartKind.NIC, nic.port_id, nic, "interface", parent_id=machine_id, is_usually_new=True)

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Detach an interface from a machine."""
        await self.remove_part(PartKind.NIC, port_id, machine_id)

    async def ensure_network(self, network: NetworkSpec) -> None:
        """Create or update a network."""
        await self.save_part(PartKind.NETWORK, network.id, network, "network")

    async def ensure_no_network(self, network_id: str) -> None:
        """Delete a network and its subnets."""
        await self._remove_with_children(PartKind.NETWORK, network_id, PartKind.SUBNET)

    async def ensure_subnet(self, subnet: SubnetSpec) -> None:
        """Create or update a subnet. Raises DriverError without its network."""
        await self.save_part(
            PartKind.SUBNET,
            subnet.id,
            subnet,
            "subnet",
            parent_id=subnet.network_id,
            required_parent=PartKind.NETWORK,
        )

    async def ensure_no_subnet(self, subnet_id: str) -> None:
        """Delete a subnet."""
        await self.remove_part(PartKind.SUBNET, subnet_id)

    async def ensure_router(self, router: RouterSpec) -> None:
        """Create or update a router."""
        await self.save_part(PartKind.ROUTER, router.id, router, "router")

    async def ensure_no_router(self, router_id: str) -> None:
        """Delete a router and its interfaces."""
        await self._remove_with_children(PartKind.ROUTER, router_id, PartKind.ROUTER_INTERFACE)

    async def ensure_router_interface(self, router_id: str, nic: NicSpec) -> None:
        """Add an interface to a router, or update it. Raises DriverError without the router."""
        await self.save_part(
            PartKind.ROUTER_INTERFACE,
            nic.port_id,
            nic,
            "router_interface",
            parent_id=router_id,
            required_parent=PartKind.ROUTER,
        )

    async def ensure_no_router_interface(self, router_id: str, port_id: str) -> None:
        """Remove an interface from a router."""
        await self.remove_part(PartKind.ROUTER_INTERFACE, port_id, router_id)

    async def ensure_security_group(self, group: SecurityGroupSpec) -> None:
        """Create or update a security group."""
        await self.save_part(PartKind.SECURITY_GROUP, group.id, group, "security_group")

    async def ensure_no_security_group(self, group_id: str) -> None:
        """Delete a security group."""
        await self.remove_part(PartKind.SECURITY_GROUP, group_id)

    async def ensure_floating_ip(self, floating_ip: FloatingIPSpec) -> None:
        """Forward a floating IP to a port."""
        await self.save_part(
            PartKind.FLOATING_IP, floating_ip.id, floating_ip, "floating_ip", parent_id=floating_ip.port_id
        )

    async def ensure_no_floating_ip(self, floating_ip_id: str) -> None:
        """Stop forwarding a floating IP."""
        await self.remove_part(PartKind.FLOATING_IP, floating_ip_id)

    async def ensure_ddos_protection(self, region_id: int, ip_address: str, *, active: bool) -> None:
        """Protect an address."""
        protection = SimulatedProtection(region_id=region_id, ip_address=ip_address, active=active)

        async def plan(records: Records) -> str | None:
            existing = await records.find(SimulatedProtection, region_id=region_id, ip_address=ip_address)
            return None if existing == protection else "protect"

        await self._change(plan, lambda records: records.save(protection))

    async def ensure_no_ddos_protection(self, region_id: int, ip_address: str) -> None:
        """Remove the protection of an address."""
        await self._record_store.write(
            lambda records: records.remove(SimulatedProtection, region_id=region_id, ip_address=ip_address)
        )

    async def find_security_group(self, group_id: str) -> SecurityGroupSpec | None:
        """Return a security group."""
        return await self.find_spec(PartKind.SECURITY_GROUP, group_id, SecurityGroupSpec)

    async def find_nic(self, port_id: str) -> NicSpec | None:
        """Return an interface of a machine."""
        return await self.find_spec(PartKind.NIC, port_id, NicSpec)

    async def find_floating_ip(self, floating_ip_id: str) -> FloatingIPSpec | None:
        """Return a forwarded floating IP."""
        return await self.find_spec(PartKind.FLOATING_IP, floating_ip_id, FloatingIPSpec)

    async def find_network_with_subnets(self, network_id: str) -> tuple[NetworkSpec, dict[str, SubnetSpec]] | None:
        """Return a network and its subnets by id."""
        network = await self.find_spec(PartKind.NETWORK, network_id, NetworkSpec)
        if network is None:
            return None
        return network, await self._load_children(PartKind.SUBNET, network_id, SubnetSpec)

    async def find_router_with_nics(self, router_id: str) -> tuple[RouterSpec, dict[str, NicSpec]] | None:
        """Return a router and its interfaces by port id."""
        router = await self.find_spec(PartKind.ROUTER, router_id, RouterSpec)
        if router is None:
            return None
        return router, await self._load_children(PartKind.ROUTER_INTERFACE, router_id, NicSpec)

    async def find_spec(self, kind: PartKind, part_id: str, spec_type: type[Spec]) -> Spec | None:
        """Return the specification of a part, or None."""
        part = await self.find_part(kind, part_id)
        return None if part is None else msgspec.json.decode(part.spec, type=spec_type)

    async def find_part(self, kind: PartKind, part_id: str) -> SimulatedNetworkPart | None:
        """Return a part, or None."""
        async with self._record_store.read() as records:
            return await records.find(SimulatedNetworkPart, kind=kind.value, id=part_id)

    async def _load_children(self, kind: PartKind, parent_id: str, spec_type: type[Spec]) -> dict[str, Spec]:
        async with self._record_store.read() as records:
            parts = await records.find_all(SimulatedNetworkPart, kind=kind.value, parent_id=parent_id)
        return {part.id: msgspec.json.decode(part.spec, type=spec_type) for part in parts}

    async def save_part(  # noqa: PLR0913  # the record, and what it needs
        self,
        kind: PartKind,
        part_id: str,
        spec: Struct,
        change: str,
        *,
        parent_id: str | None = None,
        required_parent: PartKind | None = None,
        traffic: str | None = None,
        is_usually_new: bool = False,
    ) -> None:
        """Save a part; `change` names the kind of change, if it is one. Raises DriverError without its parent."""
        text = msgspec.json.encode(spec).decode()
        part = SimulatedNetworkPart(kind=kind.value, id=part_id, parent_id=parent_id, spec=text, traffic=traffic)

        async def plan(records: Records) -> str | None:
            if required_parent and parent_id:
                await _require_part(records, required_parent, parent_id)
            existing = await records.find(SimulatedNetworkPart, kind=kind.value, id=part_id)
            return None if existing == part else change

        await self._change(plan, lambda records: records.save(part), new=part if is_usually_new else None)

    async def remove_part(self, kind: PartKind, part_id: str, parent_id: str | None = None) -> None:
        """Delete a part, if it belongs to the parent."""
        where = {"kind": kind.value, "id": part_id} | ({"parent_id": parent_id} if parent_id else {})
        await self._record_store.write(lambda records: records.remove(SimulatedNetworkPart, **where))

    async def _remove_with_children(self, kind: PartKind, part_id: str, child_kind: PartKind) -> None:
        async def remove(records: Records) -> None:
            await records.remove(SimulatedNetworkPart, kind=child_kind.value, parent_id=part_id)
            await records.remove(SimulatedNetworkPart, kind=kind.value, id=part_id)

        await self._record_store.write(remove)


async def _require_part(records: Records, kind: PartKind, part_id: str) -> None:
    if await records.find(SimulatedNetworkPart, kind=kind.value, id=part_id) is None:
        raise DriverError(f"{kind.replace('_', ' ').capitalize()} {part_id} does not exist", retryable=False)
