"""The ports of load balancers with their addresses, which Pileus has chosen, and the subnets of members."""

from collections.abc import Iterable

from pileus.drivers.openstack.cloud import NOT_FOUND, Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.names import PREFIX, engine_name
from pileus.drivers.openstack.ports import NeutronPorts
from pileus.drivers.protocols.load_balancers import LoadBalancerSpec, MemberSpec

PROVIDER = f"{PREFIX}provider-"
"""What begins the tag of a port with the provider of the load balancer that is deleted, and created again."""


class VipPorts:
    """Creates and deletes ports that Octavia is told to use."""

    def __init__(self, cloud: OpenstackCloud, ports: NeutronPorts) -> None:
        self._cloud, self._ports = cloud, ports

    async def ensure(self, spec: LoadBalancerSpec) -> Json:
        """Create the port of a load balancer, and return it.

        An existing port stays as it is, as Octavia adds to it. One that a floating IP has made gets another owner.
        """
        port = await self._ports.find(spec.vip.port_id) or await self._ports.ensure_port(spec.vip, spec.id)
        if port["description"] != (owner := engine_name(spec.id)):
            await self._cloud.put("network", f"/ports/{port['id']}", {"port": {"description": owner}})
        return port

    async def find_provider(self, spec: LoadBalancerSpec) -> str | None:
        """Return the provider that a load balancer had before it was deleted for another one, or None."""
        port = await self._ports.find(spec.vip.port_id)
        return provider_noted_on(port) if port else None

    async def note_provider(self, port_id: str, provider: str) -> None:
        """Note on a port, by its id in OpenStack, the provider of the next load balancer."""
        await self.set_tag(port_id, f"{PROVIDER}{provider}")

    async def list_tags(self, spec: LoadBalancerSpec) -> list[str]:
        """Return what the port of a load balancer says of changes that are under way."""
        port = await self._ports.find(spec.vip.port_id)
        return list(port.get("tags") or []) if port else []

    async def set_tag(self, port_id: str, tag: str) -> None:
        """Note on a port, by its id in OpenStack, which change of its load balancer is under way."""
        try:
            await self._cloud.put("network", f"/ports/{port_id}/tags", {"tags": [tag]})
        except OpenstackError as error:
            if error.status_code != NOT_FOUND:
                raise

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


def port_fields(port: Json, spec: LoadBalancerSpec) -> Json:
    """Return the fields by which Octavia uses a port."""
    subnet_ids = {address["ip_address"]: address["subnet_id"] for address in port["fixed_ips"]}
    first, *others = spec.vip.addresses
    fields: Json = {"vip_port_id": port["id"], "vip_address": first, "vip_subnet_id": subnet_ids[first]}
    if others:
        fields["additional_vips"] = [{"ip_address": address, "subnet_id": subnet_ids[address]} for address in others]
    return fields


def provider_noted_on(port: Json) -> str | None:
    """Return the provider that a port notes, or None."""
    tags: list[str] = port.get("tags") or []
    return next((tag.removeprefix(PROVIDER) for tag in tags if tag.startswith(PROVIDER)), None)
