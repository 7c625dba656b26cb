"""Floating IPs, known in OpenStack by their descriptions, with the addresses that Pileus has chosen."""

from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.networks import changed_fields
from pileus.drivers.openstack.ports import NeutronPorts
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import FloatingIPSpec, NicSpec


class NeutronFloatingIPs:
    """Forwards addresses of the first external network of the catalogue to ports."""

    def __init__(self, cloud: OpenstackCloud, names: CatalogueNames, ports: NeutronPorts) -> None:
        self._cloud, self._names, self._ports = cloud, names, ports

    async def ensure_floating_ip(self, floating_ip: FloatingIPSpec) -> None:
        """Forward a floating IP to its port, and to no other."""
        target = {"port_id": await self._require_port_id(floating_ip), "fixed_ip_address": floating_ip.fixed_ip_address}
        existing = await self._find(floating_ip.id)
        if existing is None:
            order = target | {
                "description": engine_name(floating_ip.id),
                "floating_network_id": await self._names.require_floating_network_id(),
                "floating_ip_address": floating_ip.ip_address,
            }
            await self._cloud.post("network", "/floatingips", {"floatingip": order})
        elif changed_fields(existing, target):
            await self._cloud.put("network", f"/floatingips/{existing['id']}", {"floatingip": target})
        if existing is not None and existing["port_id"] not in {None, target["port_id"]}:
            await self._delete_virtual_port(floating_ip.id, existing["port_id"])

    async def ensure_no_floating_ip(self, floating_ip_id: str) -> None:
        """Stop forwarding a floating IP. Pileus keeps its address."""
        if (floating_ip := await self._find(floating_ip_id)) is not None:
            await self._cloud.delete("network", f"/floatingips/{floating_ip['id']}")
        await self._ports.delete_ports_of(floating_ip_id)

    async def _require_port_id(self, floating_ip: FloatingIPSpec) -> str:
        """Return a port's id in OpenStack. A virtual IP's port is created: it is at no machine."""
        port = await self._ports.find(floating_ip.port_id)
        if port is None and floating_ip.network_id is not None:
            nic = NicSpec(
                port_id=floating_ip.port_id,
                network_id=floating_ip.network_id,
                mac_address="",
                addresses=[floating_ip.fixed_ip_address],
            )
            port = await self._ports.ensure_port(nic, floating_ip.id)
        if port is None:
            raise DriverError(f"Port {floating_ip.port_id} does not exist", retryable=False)
        return str(port["id"])

    async def _delete_virtual_port(self, floating_ip_id: str, engine_port_id: str) -> None:
        """Delete the port of a virtual IP that the floating IP does not use any more."""
        ports = await self._cloud.get("network", "/ports", id=engine_port_id, description=engine_name(floating_ip_id))
        for port in ports["ports"]:
            await self._cloud.delete("network", f"/ports/{port['id']}")

    async def _find(self, floating_ip_id: str) -> Json | None:
        answer = await self._cloud.get("network", "/floatingips", description=engine_name(floating_ip_id))
        return next(iter(answer["floatingips"]), None)
