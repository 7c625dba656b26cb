"""Floating IPs: public addresses that can be assigned to ports."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import ClassVar, TypedDict

from msgspec import Struct
from msgspec.structs import asdict, replace

from pileus.domain.errors import invalid
from pileus.domain.ip_addresses import ip_address
from pileus.domain.network.networks import canonical_ip
from pileus.domain.network.ports import AssignedAddress, Port
from pileus.domain.resources import TenantResource


class FloatingIPStatus(StrEnum):
    """ACTIVE if the floating IP is assigned, else DOWN."""

    ACTIVE = "ACTIVE"
    DOWN = "DOWN"


class FloatingIPTarget(Struct, frozen=True):
    """The port and address that a floating IP is assigned to, and the router if known. All None: unassigned."""

    port_id: str | None = None
    fixed_ip_address: str | None = None
    router_id: str | None = None


class FloatingIPPatch(TypedDict, total=False):
    """A merge patch of a floating IP. An absent key leaves the field unchanged."""

    port_id: str | None
    fixed_ip_address: str | None
    tags: Mapping[str, str | None] | None


class FloatingIP(TenantResource, frozen=True, kw_only=True):
    """A public address that can be assigned to a port."""

    NOUN: ClassVar[str] = "Floating IP"

    id: str
    floating_ip_address: str
    port_id: str | None = None
    fixed_ip_address: str | None = None
    router_id: str | None = None
    status: str = FloatingIPStatus.DOWN
    creator_task_id: str | None = None
    updated_at: int

    @property
    def target(self) -> FloatingIPTarget:
        """The port and address that it is assigned to."""
        return FloatingIPTarget(self.port_id, self.fixed_ip_address, self.router_id)

    def with_address(self, ip: str) -> "FloatingIP":
        """Set the public address."""
        return replace(self, floating_ip_address=ip)

    def assigned_to(self, target: FloatingIPTarget, now: int) -> "FloatingIP":
        """Assign it to a target or unassign it, and unlock it."""
        status = FloatingIPStatus.ACTIVE if target.port_id else FloatingIPStatus.DOWN
        return replace(self, **asdict(target), status=status.value, task_id=None, updated_at=now)


def choose_fixed_address(
    port: Port, addresses: Iterable[AssignedAddress], fixed_ip_address: str | None
) -> AssignedAddress:
    """Return the address of a port to assign a floating IP to: the requested one, or the first IPv4 address.

    Raises Invalid if the port has no such address.
    """
    candidates = [address for address in addresses if ip_address(address.ip).version == 4]  # noqa: PLR2004  # the protocol's number
    if fixed_ip_address is not None:
        candidates = [line for line in candidates if line.ip == _canonical_address(fixed_ip_address)]
    if not candidates:
        missing = "IPv4 address" if fixed_ip_address is None else f"IPv4 address {fixed_ip_address}"
        raise invalid(
            **{"port_id" if fixed_ip_address is None else "fixed_ip_address": f"Port {port.id} has no {missing}"}
        )
    return min(candidates, key=lambda line: ip_address(line.ip).packed)


def _canonical_address(text: str) -> str:
    try:
        return canonical_ip(text)
    except ValueError:
        raise invalid(fixed_ip_address="value is not a valid IPv4 address") from None
