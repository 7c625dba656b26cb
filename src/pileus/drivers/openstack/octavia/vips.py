"""The ports of load balancers with their addresses, which Pileus has chosen, and the subnets of members."""

from collections.abc import Iterable

from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.ports import NeutronPorts
from pileus.drivers.protocols.load_balancers import LoadBalancerSpec, MemberSpec


class VipPorts:
    """Creates and deletes ports that Octavia is told to use."""

    def __init__(self, cloud: OpenstackCloud, ports: NeutronPorts) -> None:
        self._cloud, self._ports = cloud, ports

    async def ensure(self, spec: LoadBalancerSpec) -> Json:
        """Create the port of a load balancer, and return the fields by which Octavia uses it.

        An existing port stays as it is, as Octavia adds to it. One that a floating IP has made gets another owner.
        """
        port = await self._ports.find(spec.vip.port_id) or await self._ports.ensure_port(spec.vip, spec.id)
        if port["description"] != (owner := engine_name(spec.id)):
            await self._cloud.put("network", f"/ports/{port['id']}", {"port": {"description": owner}})
        subnet_ids = {address["ip_address"]: address["subnet_id"] for address in port["fixed_ips"]}
        first, *others = spec.vip.addresses
        fields: Json = {"vip_port_id": port["id"], "vip_address": first, "vip_subnet_id": subnet_ids[first]}
        if others:
            fields["additional_vips"] = [
                {"ip_address": address, "subnet_id": subnet_ids[address]} for address in others
            ]
        return fields

    async def list_tags(self, spec: LoadBalancerSpec) -> list[str]:
        """Return what the port of a load balancer says of changes that are under way."""
        port = await self._ports.find(spec.vip.port_id)
        return list(port.get("tags") or []) if port else []

    async def set_tag(self, port_id: str, tag: str) -> None:
        """Note on a port, by its id in OpenStack, which change of its load balancer is under way."""
        await self._cloud.put("network", f"/ports/{port_id}/tags", {"tags": [tag]})

    async def delete(self, load_balancer_id: str) -> None:
        """Delete the port of a load balancer that does not exist any more."""
        await self._ports.delete_ports_of(load_balancer_id)

    async def list_subnet_ids(self, members: Iterable[MemberSpec]) -> dict[str, str]:
        """Return the ids in OpenStack of the subnets of members; those of the catalogue's networks are left out."""
        engine_ids = {}
        for subnet_id in sorted({member.subnet_id for member in members if member.subnet_id}):
            for subnet in (await self._cloud.get("network", "/subnets", name=engine_name(subnet_id)))["subnets"]:
                engine_ids[subnet_id] = str(subnet["id"])
        return engine_ids
