"""Networks, interfaces, routers, security groups, floating IPs and DDoS protection."""

from typing import Protocol, runtime_checkable

from msgspec import Struct, convert, field
from msgspec.structs import replace

from pileus.domain.network.networks import Network, Route, Subnet
from pileus.domain.network.ports import AddressPair
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.abilities import AbilityMeta


class NicSpec(Struct, frozen=True, kw_only=True):
    """A port. If it is `secured`, it may send only from its `addresses` and its allowed address `pairs`."""

    port_id: str
    network_id: str
    mac_address: str
    addresses: list[str]
    pairs: list[AddressPair] = field(default_factory=list)
    secured: bool = True
    groups: list[str] = field(default_factory=list)
    """Ids of the security groups whose rules filter its traffic."""


class NetworkSpec(Struct, frozen=True, kw_only=True):
    """A network; `segmentation_id` is unique among networks of one type in a region."""

    id: str
    name: str
    region_id: int
    type: str
    mtu: int
    segmentation_id: int | None = None

    @classmethod
    def of(cls, network: Network) -> "NetworkSpec":
        """Convert a network's record."""
        return convert(network, cls, from_attributes=True)


class SubnetSpec(Struct, frozen=True, kw_only=True):
    """A subnet, with what DHCP announces to its machines if `enable_dhcp` is set."""

    id: str
    network_id: str
    cidr: str
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dns_nameservers: list[str] = field(default_factory=list)
    host_routes: list[Route] = field(default_factory=list)

    @classmethod
    def of(cls, subnet: Subnet) -> "SubnetSpec":
        """Convert a subnet's record."""
        with_nameservers = replace(subnet, dns_nameservers=subnet.dns_nameservers or [])
        return convert(with_nameservers, cls, from_attributes=True)


class RouterSpec(Struct, frozen=True, kw_only=True):
    """A router; `outside` is its external gateway, which translates inner addresses (SNAT) if `translates` is set."""

    id: str
    name: str
    routes: list[Route] = field(default_factory=list)
    outside: NicSpec | None = None
    translates: bool = True


class SecurityGroupSpec(Struct, frozen=True, kw_only=True):
    """A security group: at its interfaces, traffic that no rule allows is dropped."""

    id: str
    name: str
    rules: list[NewRule] = field(default_factory=list)


class FloatingIPSpec(Struct, frozen=True, kw_only=True):
    """A floating IP: traffic to `ip_address` is forwarded to a port's `fixed_ip_address`.

    A virtual IP's port is at no machine: the traffic goes to whoever has its address in the network `network_id`.
    """

    id: str
    region_id: int
    ip_address: str
    port_id: str
    fixed_ip_address: str
    network_id: str | None = None


@runtime_checkable
class SupportsInterfaces(Protocol, metaclass=AbilityMeta):
    """Attaches interfaces to machines."""

    async def ensure_interface(self, machine_id: str, nic: NicSpec) -> None:
        """Attach an interface to a machine, or update the attached one."""

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Detach an interface."""


@runtime_checkable
class SupportsNetworks(Protocol, metaclass=AbilityMeta):
    """Creates networks. The catalogue's external networks exist without a call."""

    async def ensure_network(self, network: NetworkSpec) -> None:
        """Create or update a network."""

    async def ensure_no_network(self, network_id: str) -> None:
        """Delete a network and its subnets."""

    async def ensure_subnet(self, subnet: SubnetSpec) -> None:
        """Create or update a subnet of a network. Raises DriverError if there is no such network."""

    async def ensure_no_subnet(self, subnet_id: str) -> None:
        """Delete a subnet."""


@runtime_checkable
class SupportsRouters(Protocol, metaclass=AbilityMeta):
    """Routes between networks."""

    async def ensure_router(self, router: RouterSpec) -> None:
        """Create or update a router; its interfaces stay."""

    async def ensure_no_router(self, router_id: str) -> None:
        """Delete a router and its interfaces."""

    async def ensure_router_interface(self, router_id: str, nic: NicSpec) -> None:
        """Add an interface to a router, or update it. Raises DriverError if there is no such router."""

    async def ensure_no_router_interface(self, router_id: str, port_id: str) -> None:
        """Remove an interface from a router."""


@runtime_checkable
class SupportsSecurityGroups(Protocol, metaclass=AbilityMeta):
    """Filters the traffic of interfaces by security groups."""

    async def ensure_security_group(self, group: SecurityGroupSpec) -> None:
        """Create a security group or replace its rules, at every interface that is in it."""

    async def ensure_no_security_group(self, group_id: str) -> None:
        """Delete a security group."""


@runtime_checkable
class SupportsFloatingIPs(Protocol, metaclass=AbilityMeta):
    """Forwards public addresses to ports."""

    async def ensure_floating_ip(self, floating_ip: FloatingIPSpec) -> None:
        """Forward a floating IP to its port, and to no other."""

    async def ensure_no_floating_ip(self, floating_ip_id: str) -> None:
        """Stop forwarding a floating IP."""


@runtime_checkable
class SupportsDdosProtection(Protocol, metaclass=AbilityMeta):
    """Protects addresses against DDoS."""

    async def ensure_ddos_protection(self, region_id: int, ip_address: str, *, active: bool) -> None:
        """Protect an address; with `active=False` the protection is prepared but off."""

    async def ensure_no_ddos_protection(self, region_id: int, ip_address: str) -> None:
        """Remove the protection of an address."""
