"""Routers, known in OpenStack by their names, with their interfaces and external gateways."""

from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.named_resources import NamedKind, NamedResources
from pileus.drivers.openstack.networks import changed_fields
from pileus.drivers.openstack.ports import NeutronPorts
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import NicSpec, RouterSpec

INTERFACE = "network:router_interface"
"""What the owner of an interface's port begins with: distributed routers have a longer name."""


class NeutronRouters:
    """Creates routers. Their routes need an interface in the network of the next hop."""

    def __init__(self, cloud: OpenstackCloud, names: CatalogueNames, ports: NeutronPorts) -> None:
        self._cloud, self._names, self._ports = cloud, names, ports
        self._routers = NamedResources(cloud, NamedKind("network", "/routers", "router"))

    async def ensure_router(self, router: RouterSpec) -> None:
        """Create or update a router. A new one gets its routes by the next call, when it has interfaces."""
        existing = await self._routers.find(router.id)
        is_new = existing is None
        if existing is None:
            existing = (await self._routers.create(router.id, {"description": router.name})).item
        routes = [{"destination": route.destination, "nexthop": route.nexthop} for route in router.routes]
        intended = {"description": router.name} | ({} if is_new else {"routes": routes})
        changes = changed_fields(existing, intended)
        gateway = await self._gateway(router)
        if not _has_gateway(existing, gateway):
            changes["external_gateway_info"] = gateway
        if changes:
            await self._cloud.put("network", f"/routers/{existing['id']}", {"router": changes})

    async def ensure_no_router(self, router_id: str) -> None:
        """Delete a router and its interfaces."""
        for router in await self._routers.find_all(router_id):
            await self._delete(router)

    async def ensure_router_interface(self, router_id: str, nic: NicSpec) -> None:
        """Add an interface to a router. Raises DriverError if there is no such router."""
        router = await self._routers.find(router_id)
        if router is None:
            raise DriverError(f"Router {router_id} does not exist", retryable=False)
        port = await self._ports.find(nic.port_id) or await self._ports.ensure_port(nic, router_id)
        if port["device_id"] != router["id"]:
            order = {"port_id": port["id"]}
            await self._cloud.put("network", f"/routers/{router['id']}/add_router_interface", order)

    async def ensure_no_router_interface(self, router_id: str, port_id: str) -> None:
        """Remove an interface from a router, and delete its port."""
        router, port = await self._routers.find(router_id), await self._ports.find(port_id)
        if port is None:
            return
        if router is not None and port["device_id"] == router["id"]:
            await self._remove_interface(router, port)
        else:
            await self._cloud.delete("network", f"/ports/{port['id']}")

    async def _delete(self, router: Json) -> None:
        if router["routes"]:
            await self._cloud.put("network", f"/routers/{router['id']}", {"router": {"routes": []}})
        for port in (await self._cloud.get("network", "/ports", device_id=router["id"]))["ports"]:
            if port["device_owner"].startswith(INTERFACE):
                await self._remove_interface(router, port)
        await self._cloud.delete("network", f"/routers/{router['id']}")

    async def _remove_interface(self, router: Json, port: Json) -> None:
        order = {"port_id": port["id"]}
        await self._cloud.put("network", f"/routers/{router['id']}/remove_router_interface", order)

    async def _gateway(self, router: RouterSpec) -> Json:
        if router.outside is None:
            return {}
        return {
            "network_id": await self._names.require_network_id(router.outside.network_id),
            "enable_snat": router.translates,
            "external_fixed_ips": [{"ip_address": address} for address in router.outside.addresses],
        }


def _has_gateway(router: Json, gateway: Json) -> bool:
    present = router["external_gateway_info"] or {}
    if not present or not gateway:
        return not present and not gateway
    addresses = {address["ip_address"] for address in present["external_fixed_ips"]}
    return (
        present["network_id"] == gateway["network_id"]
        and present["enable_snat"] == gateway["enable_snat"]
        and addresses == {address["ip_address"] for address in gateway["external_fixed_ips"]}
    )
