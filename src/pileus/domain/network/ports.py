"""Ports: the interfaces of instances on networks, and their MAC addresses."""

import hashlib
from collections.abc import Iterable
from typing import ClassVar

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import Conflict, invalid, nest_field_errors
from pileus.domain.ip_addresses import ip_address, ip_network
from pileus.domain.resources import TenantResource

PAIRS_NEED_PORT_SECURITY = "Port Security must be enabled in order to have allowed address pairs on a port."
"""The text of OpenStack."""


class AddressPair(Struct, frozen=True):
    """An allowed address pair: a further address that a port may use as its source."""

    ip_address: str
    mac_address: str | None = None


class Port(TenantResource, frozen=True, kw_only=True):
    """An interface of an instance or a load balancer. A `reserved` one (a reserved fixed IP) outlives them.

    `external` is that of its network. The port of one of the two machines of a load balancer has a `vrrp_role`.
    """

    NOUN: ClassVar[str] = "Port"

    id: str
    network_id: str
    external: bool = False
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
    load_balancer_id: str | None = None
    vrrp_role: str | None = None
    creator_task_id: str | None = None
    updated_at: int

    def as_reserved(self, addresses: Iterable[str]) -> "Port":
        """Reserve the port, under the name that reserved fixed IPs have."""
        return replace(self, reserved=True, name=f"reserved_fixed_ip_{next(iter(addresses), '')}")

    def released(self, now: int) -> "Port":
        """Return a reserved port that nothing uses, unlocked."""
        return replace(
            self,
            instance_id=None,
            load_balancer_id=None,
            position=0,
            interface_name=None,
            task_id=None,
            updated_at=now,
        )

    def with_address_pairs(self, pairs: Iterable[AddressPair], now: int) -> "Port":
        """Set the allowed address pairs; the port's MAC address is the default.

        Raises Invalid for duplicates, and Conflict for new pairs without port security.
        """
        canonical = []
        for position, pair in enumerate(pairs):
            with nest_field_errors("allowed_address_pairs", position):
                canonical.append(AddressPair(_canonical_range(pair.ip_address), pair.mac_address or self.mac_address))
        if len(set(canonical)) < len(canonical):
            raise invalid(allowed_address_pairs="Each pair may be given once only")
        if not self.port_security_enabled and not set(canonical).issubset(self.allowed_address_pairs):
            raise Conflict(PAIRS_NEED_PORT_SECURITY)
        return replace(self, allowed_address_pairs=canonical, updated_at=now)

    def with_port_security(self, now: int, *, enabled: bool) -> "Port":
        """Set port security. Raises Conflict if it is disabled while the port has allowed address pairs."""
        if self.port_security_enabled and not enabled and self.allowed_address_pairs:
            raise Conflict(PAIRS_NEED_PORT_SECURITY)
        return replace(self, port_security_enabled=enabled, updated_at=now)


class AssignedAddress(Struct, frozen=True, kw_only=True):
    """An address in use, and the port, floating IP, router port or file share that has it."""

    subnet_id: str
    ip: str
    port_id: str | None = None
    floating_ip_id: str | None = None
    router_port_id: str | None = None
    file_share_id: str | None = None


def derive_mac_address(port_id: str) -> str:
    """Return the MAC address of a port, derived from its id."""
    digest = hashlib.sha256(port_id.encode()).hexdigest()
    return "fa:16:3e:" + ":".join(digest[at : at + 2] for at in (0, 2, 4))


def _canonical_range(text: str) -> str:
    """Return the canonical form of an address or network. Raises Invalid."""
    try:
        return str(ip_network(text) if "/" in text else ip_address(text))
    except ValueError:
        raise invalid(ip_address="value is not a valid IPv4 or IPv6 address or network") from None
