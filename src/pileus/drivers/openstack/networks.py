"""Networks and subnets, known in OpenStack by their names."""

from typing import Any

from pileus.domain.ip_addresses import ip_network
from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import NetworkSpec, SubnetSpec

ENGINE_ADDRESSES = 8
"""Addresses at the end of a subnet from which OpenStack chooses its own, such as that of its DHCP port."""


class NeutronNetworks:
    """Creates networks and subnets. OpenStack chooses their segmentation ids and MTUs."""

    def __init__(self, cloud: OpenstackCloud, names: CatalogueNames) -> None:
        self._cloud, self._names = cloud, names

    async def ensure_network(self, network: NetworkSpec) -> None:
        """Create a network; OpenStack shows its name to operators as the description."""
        existing = await self._find("networks", network.id)
        if existing is None:
            order = {"name": engine_name(network.id), "description": network.name}
            await self._cloud.post("network", "/networks", {"network": order})
        elif existing["description"] != network.name:
            change = {"network": {"description": network.name}}
            await self._cloud.put("network", f"/networks/{existing['id']}", change)

    async def ensure_no_network(self, network_id: str) -> None:
        """Delete a network and its subnets."""
        if (network := await self._find("networks", network_id)) is not None:
            await self._cloud.delete("network", f"/networks/{network['id']}")

    async def ensure_subnet(self, subnet: SubnetSpec) -> None:
        """Create or update a subnet. Raises DriverError if there is no such network."""
        options = _subnet_options(subnet)
        existing = await self._find("subnets", subnet.id)
        if existing is None:
            order = _subnet_order(subnet) | options
            order["network_id"] = await self._names.require_network_id(subnet.network_id)
            await self._cloud.post("network", "/subnets", {"subnet": order})
        elif changes := changed_fields(existing, options):
            await self._cloud.put("network", f"/subnets/{existing['id']}", {"subnet": changes})

    async def ensure_no_subnet(self, subnet_id: str) -> None:
        """Delete a subnet."""
        if (subnet := await self._find("subnets", subnet_id)) is not None:
            await self._cloud.delete("network", f"/subnets/{subnet['id']}")

    async def _find(self, kind: str, resource_id: str) -> Json | None:
        items = (await self._cloud.get("network", f"/{kind}", name=engine_name(resource_id)))[kind]
        return next(iter(items), None)


def changed_fields(existing: Json, intended: Json) -> Json:
    """Return the intended fields that an existing resource has not."""
    return {name: value for name, value in intended.items() if existing[name] != value}


def _subnet_options(subnet: SubnetSpec) -> Json:
    routes = [{"destination": route.destination, "nexthop": route.nexthop} for route in subnet.host_routes]
    return {
        "gateway_ip": subnet.gateway_ip,
        "enable_dhcp": subnet.enable_dhcp,
        "dns_nameservers": subnet.dns_nameservers,
        "host_routes": routes,
    }


def _subnet_order(subnet: SubnetSpec) -> Json:
    network = ip_network(subnet.cidr)
    order: dict[str, Any] = {
        "name": engine_name(subnet.id),
        "cidr": subnet.cidr,
        "ip_version": network.version,
        "allocation_pools": [allocation_pool(subnet)],
    }
    if network.version == 6:  # noqa: PLR2004  # IPv6
        order |= {"ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"}
    return order


def allocation_pool(subnet: SubnetSpec) -> dict[str, str]:
    """Return the last addresses of a subnet: those of machines are chosen by Pileus, from its beginning."""
    network = ip_network(subnet.cidr)
    last = network.num_addresses - (2 if network.version == 4 else 1)  # noqa: PLR2004  # the broadcast address
    pool = range(last, max(last - ENGINE_ADDRESSES, 0), -1)
    addresses = [network[number] for number in pool if str(network[number]) != subnet.gateway_ip]
    # A pool has no gap: one that the gateway splits ends after the part behind it.
    run = [address for number, address in enumerate(addresses) if int(addresses[0]) - int(address) == number]
    if not run:
        raise DriverError(f"Subnet {subnet.cidr} is too small for OpenStack", retryable=False)
    return {"start": str(run[-1]), "end": str(run[0])}
