"""The TAP devices of a network namespace, by the ports that it has in the network."""

import hashlib
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from pileus.drivers.protocols.network import NicSpec, SubnetSpec
from pileus.drivers.qemu.fabric_updates import FabricUpdater

DEFAULT_ROUTES = {4: "0.0.0.0/0", 6: "::/0"}


def plan_devices(nics: Sequence[NicSpec], fabric_updater: FabricUpdater, prefix: str) -> dict[str, dict[str, Any]]:
    """Return the devices by port id, as the runner gets them. Only the first gateway of a family gets a route."""
    subnets, mtus = fabric_updater.subnets_for_guests(), fabric_updater.mtus()
    devices: dict[str, dict[str, Any]] = {}
    families: set[int] = set()
    for nic in nics:
        addresses, routes = [], []
        for address in nic.addresses:
            subnet, version = find_subnet(nic, address, subnets), ip_address(address).version
            length = ip_network(subnet.cidr).prefixlen if subnet else ip_address(address).max_prefixlen
            addresses.append(f"{address}/{length}")
            if subnet:
                routes += list(_routes(subnet, with_default=version not in families))
                families |= {version} if subnet.gateway_ip else set()
        devices[nic.port_id] = {
            "name": f"{prefix}{hashlib.sha256(nic.port_id.encode()).hexdigest()[:10]}",
            "mac": nic.mac_address,
            "mtu": mtus.get(nic.network_id, 1500),
            "addresses": addresses,
            "routes": routes,
        }
    return devices


def _routes(subnet: SubnetSpec, *, with_default: bool) -> Iterator[list[str]]:
    yield from ([route.destination, route.nexthop] for route in subnet.host_routes)
    if subnet.gateway_ip and with_default:
        yield [DEFAULT_ROUTES[ip_address(subnet.gateway_ip).version], subnet.gateway_ip]


def find_subnet(nic: NicSpec, address: str, subnets: Sequence[SubnetSpec]) -> SubnetSpec | None:
    """Return the subnet of an address of a port, if it is known."""
    own_subnets = (subnet for subnet in subnets if subnet.network_id == nic.network_id)
    return next((subnet for subnet in own_subnets if ip_address(address) in ip_network(subnet.cidr)), None)
