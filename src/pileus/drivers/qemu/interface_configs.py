"""How a guest configures an address: by DHCP, or with the prefix length, routes and name servers of its subnet."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network

from msgspec import Struct

from pileus.domain.network.networks import Route
from pileus.drivers.protocols.network import NicSpec, SubnetSpec
from pileus.drivers.qemu.fabric.slirp import RESOLVER

DEFAULT_ROUTES = {4: "0.0.0.0/0", 6: "::/0"}
"""Default routes by the version of IP: cloud-init before 25.3 does not know the word `default`."""
IPV6_PREFIX_LENGTH = 64
"""The prefix length of an IPv6 address without a known subnet."""


class AddressConfig(Struct, frozen=True, kw_only=True):
    """An address of an interface; a guest asks for it by DHCP, or configures the rest itself."""

    address: str
    version: int
    dhcp: bool
    prefix_length: int = 0
    routes: Sequence[Route] = ()
    name_servers: Sequence[str] = ()


def address_configs(nic: NicSpec, subnets: Iterable[SubnetSpec]) -> Iterator[AddressConfig]:
    """Yield the configuration of each address; only the first address of a subnet has its routes and name servers."""
    own_subnets = [subnet for subnet in subnets if subnet.network_id == nic.network_id]
    described: list[SubnetSpec] = []
    for address in nic.addresses:
        ip, subnet = ip_address(address), _find_subnet(address, own_subnets)
        if ip.version == 4 and (subnet is None or subnet.enable_dhcp):  # the version of IP
            yield AddressConfig(address=address, version=4, dhcp=True)
        elif subnet is None or subnet in described:
            length = ip_network(subnet.cidr).prefixlen if subnet else IPV6_PREFIX_LENGTH
            yield AddressConfig(address=address, version=ip.version, dhcp=False, prefix_length=length)
        else:
            described.append(subnet)
            yield _static_config(address, subnet)


def _static_config(address: str, subnet: SubnetSpec) -> AddressConfig:
    network = ip_network(subnet.cidr)
    routes, default = list(subnet.host_routes), DEFAULT_ROUTES[network.version]
    if subnet.gateway_ip and all(route.destination != default for route in routes):
        routes.append(Route(default, subnet.gateway_ip))
    # The fabric's resolver is reached by the default route.
    provided = [RESOLVER] if network.version == 4 and subnet.gateway_ip else []  # the version of IP
    return AddressConfig(
        address=address,
        version=network.version,
        dhcp=False,
        prefix_length=network.prefixlen,
        routes=routes,
        name_servers=subnet.dns_nameservers or provided,
    )


def _find_subnet(address: str, subnets: Sequence[SubnetSpec]) -> SubnetSpec | None:
    return next((subnet for subnet in subnets if ip_address(address) in ip_network(subnet.cidr)), None)
