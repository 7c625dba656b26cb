"""Ports of instances: their security groups and allowed address pairs."""

from typing import Annotated

from msgspec import Meta, Struct, field

from pileus.api.wire.constraints import MacAddress
from pileus.domain import limits
from pileus.domain.network.ports import AddressPair


class AllowedAddressPairView(Struct, kw_only=True):
    """An address, or a range of addresses, that a port may send from besides its own."""

    ip_address: str
    mac_address: str | None

    @classmethod
    def of(cls, pair: AddressPair) -> "AllowedAddressPairView":
        """Return the view of a pair."""
        return cls(ip_address=pair.ip_address, mac_address=pair.mac_address)


class SecurityGroupReference(Struct, kw_only=True):
    """A security group, by id and name."""

    id: str
    name: str


class PortSecurityGroups(Struct, kw_only=True):
    """A port with its security groups."""

    id: str
    name: str
    security_groups: list[SecurityGroupReference]


class AllowedAddressPair(Struct, kw_only=True):
    """An address, or a range of addresses, to allow; without `mac_address` it is the port's."""

    ip_address: str
    mac_address: MacAddress | None = None

    def to_address_pair(self) -> AddressPair:
        """Return the record, with the MAC address in lower case."""
        return AddressPair(self.ip_address, self.mac_address and self.mac_address.lower())


class SetAllowedAddressPairs(Struct, kw_only=True):
    """All the allowed address pairs of a port."""

    allowed_address_pairs: Annotated[list[AllowedAddressPair], Meta(max_length=limits.ALLOWED_ADDRESS_PAIRS.value)] = (
        field(default_factory=list)
    )
