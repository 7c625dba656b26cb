"""Ports: where an instance meets a network; MAC addresses."""

import hashlib
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import ClassVar

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import invalid
from pileus.domain.locks import Lockable


class AddressPair(Struct, frozen=True):
    """A further address that a port may speak as."""

    ip_address: str
    mac_address: str | None = None


class Port(Lockable, frozen=True, kw_only=True):
    """An interface; a `reserved` one lives on without an instance (a reserved fixed IP)."""

    NOUN: ClassVar[str] = "Port"

    client_id: int
    project_id: int
    region_id: int
    network_id: str
    instance_id: str | None = None
    position: int = 0
    name: str = ""
    interface_name: str | None = None
    mac_address: str
    port_security_enabled: bool = True
    allowed_address_pairs: list[AddressPair] = field(default_factory=list)
    port_group: int = 0
    reserved: bool = False
    is_vip: bool = False
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1

    def as_reserved(self, addresses: Iterable[str]) -> "Port":
        """Keep these addresses, with or without an instance, under the name that such ports have."""
        return replace(self, reserved=True, name=f"reserved_fixed_ip_{next(iter(addresses), '')}")

    def with_address_pairs(self, pairs: Iterable[AddressPair], now: int) -> "Port":
        """Let it speak as other addresses too; a pair without a MAC address has the port's own. Raises Invalid."""
        allowed = [AddressPair(_range(pair.ip_address), pair.mac_address or self.mac_address) for pair in pairs]
        if len(set(allowed)) < len(allowed):
            raise invalid(allowed_address_pairs="Each pair may be given once only")
        return replace(self, allowed_address_pairs=allowed, updated_at=now)

    def with_port_security(self, now: int, *, enabled: bool) -> "Port":
        """Turn its port security on or off."""
        return replace(self, port_security_enabled=enabled, updated_at=now)


class AssignedAddress(Struct, frozen=True, kw_only=True):
    """A line of the address book."""

    subnet_id: str
    ip: str
    port_id: str | None = None
    floating_ip_id: str | None = None
    router_port_id: str | None = None


def mac_address(port_id: str) -> str:
    """The MAC address of a port, made from its id."""
    digest = hashlib.sha256(port_id.encode()).hexdigest()
    return "00:16:3e:" + ":".join(digest[at : at + 2] for at in (0, 2, 4))


def _range(text: str) -> str:
    """An address, or a range of them, in the one spelling that records use; raises Invalid."""
    try:
        return str(ip_network(text) if "/" in text else ip_address(text))
    except ValueError:
        raise invalid(ip_address="value is not a valid IPv4 or IPv6 address or network") from None
