"""Ports: as interfaces of an instance, with their security groups, and the addresses they may also speak as."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct, field

from pileus.api.wire.constraints import MacAddress
from pileus.api.wire.network.floating_ips import FloatingIPView
from pileus.api.wire.network.networks import NetworkDetails
from pileus.domain.network.ports import AddressPair, AssignedAddress, Port


class AddressPairView(Struct, kw_only=True):
    """A further address, or range, that a port may speak as."""

    ip_address: str
    mac_address: str | None

    @classmethod
    def of(cls, pair: AddressPair) -> "AddressPairView":
        """Show a pair."""
        return cls(ip_address=pair.ip_address, mac_address=pair.mac_address)


class IpAssignment(Struct, kw_only=True):
    """An address of a port."""

    ip_address: str
    subnet_id: str


class InterfaceView(Struct, kw_only=True):
    """An interface of an instance, with its network and floating IPs."""

    port_id: str
    interface_name: str | None
    mac_address: str | None
    network_id: str
    port_security_enabled: bool
    ip_assignments: list[IpAssignment]
    allowed_address_pairs: list[AddressPairView]
    network_details: NetworkDetails
    floatingip_details: list[FloatingIPView]

    @classmethod
    def of(
        cls,
        port: Port,
        addresses: Iterable[AssignedAddress],
        network_details: NetworkDetails,
        floating_ips: list[FloatingIPView],
    ) -> "InterfaceView":
        """Show a port as an interface."""
        return cls(
            port_id=port.id,
            interface_name=port.interface_name,
            mac_address=port.mac_address,
            network_id=port.network_id,
            port_security_enabled=port.port_security_enabled,
            ip_assignments=[IpAssignment(ip_address=each.ip, subnet_id=each.subnet_id) for each in addresses],
            allowed_address_pairs=[AddressPairView.of(pair) for pair in port.allowed_address_pairs],
            network_details=network_details,
            floatingip_details=floating_ips,
        )


class SecurityGroupName(Struct, kw_only=True):
    """A security group, by id and name."""

    id: str
    name: str


class PortSecurityGroups(Struct, kw_only=True):
    """A port with the security groups that guard it."""

    id: str
    name: str
    security_groups: list[SecurityGroupName]


class AllowedAddressPair(Struct, kw_only=True):
    """A further address, or range, to let a port speak as."""

    ip_address: str
    mac_address: MacAddress | None = None

    def pair(self) -> AddressPair:
        """Make the record; MAC addresses are kept in lower case."""
        return AddressPair(self.ip_address, self.mac_address and self.mac_address.lower())


class AllowAddressPairs(Struct, kw_only=True):
    """All the further addresses that a port may speak as."""

    allowed_address_pairs: Annotated[list[AllowedAddressPair], Meta(max_length=10)] = field(default_factory=list)
