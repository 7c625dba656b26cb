"""Networks and subnets, known in OpenStack by their names."""

from typing import Any

from pileus.domain.ip_addresses import ip_network
from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.named_resources import NamedKind, NamedResources
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import NetworkSpec, SubnetSpec

ENGINE_ADDRESSES = 8
"""Addresses at the end of a subnet from which OpenStack chooses its own, such as that of its DHCP port."""


class NeutronNetworks:
    """Creates networks and subnets. OpenStack chooses their segmentation ids and MTUs."""

    def __init__(self, cloud: OpenstackCloud, names: CatalogueNames) -> None:
        self._cloud, self._names = cloud, names
        self._networks = NamedResources(cloud, NamedKind("network", "/networks", "network"))
        self._subnets = NamedResources(cloud, NamedKind("network", "/subnets", "subnet"))

    async def ensure_network(self, network: NetworkSpec) -> None:
        """Create a network; OpenStack shows its name to operators as the description."""
        existing = await self._networks.find(network.id)
        if existing is None:
            await self._networks.create(network.id, {"description": network.name})
        elif existing["description"] != network.name:
            change = {"network": {"description": network.name}}
            await self._cloud.put("network", f"/networks/{existing['id']}", change)

    async def ensure_no_network(self, network_id: str) -> None:
        """Delete a network and its subnets."""
        await self._networks.delete_all(network_id)

    async def ensure_subnet(self, subnet: SubnetSpec) -> None:
        """Create or update a subnet. Raises DriverError if there is no such network."""
        options = _subnet_options(subnet)
        existing = await self._subnets.find(subnet.id)
        if existing is None:
            order = _subnet_order(subnet) | options
            order["network_id"] = await self._names.require_network_id(subnet.network_id)
            await self._subnets.create(subnet.id, order)
        elif changes := changed_fields(existing, options):
            await self._cloud.put("network", f"/subnets/{existing['id']}", {"subnet": changes})

    async def ensure_no_subnet(self, subnet_id: str) -> None:
        """Delete a subnet."""
        await self._subnets.delete_all(subnet_id)


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
