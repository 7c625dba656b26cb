"""Reserved fixed IPs: ports that keep their addresses without an instance, and virtual IPs that several ones share.

A port is connected to a virtual IP when it may speak as its address: one of its address pairs says so.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from ipaddress import ip_address

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.compute.instance_orders import NewInterface
from pileus.domain.errors import Conflict, invalid
from pileus.domain.network.networks import Network
from pileus.domain.network.ports import AddressPair, AssignedAddress, Port

MAX_ADDRESS_PAIRS = 10
"""Further addresses that one port may speak as."""


class NewReservedFixedIP(Struct, frozen=True, kw_only=True):
    """A fixed IP to reserve: new addresses for `interface`, or the addresses of the instance's port `port_id`."""

    interface: NewInterface | None = None
    port_id: str = ""
    is_vip: bool = False


class ReservedFixedIP(Struct, frozen=True, kw_only=True):
    """A reserved port with its network, its addresses, and the instances that use it."""

    port: Port
    network: Network
    addresses: Sequence[AssignedAddress]
    instance_ids: Sequence[str] = ()

    def address(self, version: int) -> AssignedAddress | None:
        """Its address of an IP version, or None."""
        return next((line for line in self.addresses if ip_address(line.ip).version == version), None)

    @property
    def require_free(self) -> "ReservedFixedIP":
        """Itself if nothing uses it and it is no virtual IP; raises Conflict."""
        self.port.require_unlocked()
        if self.port.is_vip:
            raise Conflict(f"Reserved fixed IP {self.port.id} is a virtual IP: make it a plain one first")
        if self.instance_ids:
            raise Conflict(f"Reserved fixed IP {self.port.id} is attached to instance {self.instance_ids[0]}")
        return self

    def with_vip(self, now: int, *, is_vip: bool) -> Port:
        """The port made a virtual IP, or a plain one; raises Conflict while something uses it as what it is."""
        port = self.port.require_unlocked()
        if is_vip != port.is_vip and self.instance_ids:
            used = "is attached to" if is_vip else "is connected to"
            raise Conflict(f"Reserved fixed IP {port.id} {used} instance {self.instance_ids[0]}")
        return replace(port, is_vip=is_vip, updated_at=now)


class ReservedFixedIPFilter(Struct, frozen=True, kw_only=True):
    """What a list of reserved fixed IPs is narrowed down to; None and False mean that nobody asks."""

    available_only: bool = False
    device_id: str | None = None
    external_only: bool = False
    internal_only: bool = False
    ip_address: str | None = None
    vip_only: bool = False

    def matches(self, one: ReservedFixedIP) -> bool:
        """Whether one of them is wanted."""
        return (
            not (self.available_only and one.instance_ids)
            and (self.device_id is None or self.device_id in one.instance_ids)
            and not (self.external_only and not one.network.external)
            and not (self.internal_only and one.network.external)
            and not (self.vip_only and not one.port.is_vip)
            and (self.ip_address is None or any(self.ip_address in line.ip for line in one.addresses))
        )


SORT_KEYS: dict[str, Callable[[ReservedFixedIP], tuple[int, ...] | str | int]] = {
    "created_at": lambda one: one.port.created_at,
    "fixed_ip_address": lambda one: min(
        ((address.version, int(address)) for address in (ip_address(line.ip) for line in one.addresses)), default=(0, 0)
    ),
    "name": lambda one: one.port.name,
    "status": lambda one: int(not one.instance_ids),
    "updated_at": lambda one: one.port.updated_at,
}


def filter_and_sort(
    found: Iterable[ReservedFixedIP], wanted: ReservedFixedIPFilter, order_by: str
) -> list[ReservedFixedIP]:
    """Those that are wanted, in an order of the API's (`column.direction`)."""
    column, _, direction = order_by.partition(".")
    chosen = sorted(filter(wanted.matches, found), key=lambda one: one.port.id)
    return sorted(chosen, key=SORT_KEYS[column], reverse=direction == "desc")


def vip_candidates(vip: ReservedFixedIP, ports: Iterable[Port]) -> list[Port]:
    """The ports of instances that could be connected to a virtual IP: those in its network that are not yet."""
    return [port for port in ports if port.network_id == vip.network.id and not is_connected(vip, port)]


def is_connected(vip: ReservedFixedIP, port: Port) -> bool:
    """Whether a port may speak as a virtual IP."""
    own = {line.ip for line in vip.addresses}
    return any(pair.ip_address in own for pair in port.allowed_address_pairs)


def require_vip(vip: ReservedFixedIP) -> ReservedFixedIP:
    """Itself if it is a virtual IP that no task holds; raises Conflict."""
    vip.port.require_unlocked()
    if not vip.port.is_vip:
        raise Conflict(f"Reserved fixed IP {vip.port.id} is no virtual IP: make it one first")
    return vip


def pairs_with_vip(vip: ReservedFixedIP, port: Port) -> list[AddressPair]:
    """The address pairs of a port that is to be connected; raises Invalid."""
    if port.network_id != vip.network.id or port.instance_id is None:
        raise invalid(port_ids=f"Port {port.id} is not one of an instance in network {vip.network.id}")
    pairs = [*port.allowed_address_pairs, *(AddressPair(line.ip, port.mac_address) for line in vip.addresses)]
    if len(pairs) > MAX_ADDRESS_PAIRS:
        raise invalid(port_ids=f"Port {port.id} speaks as {MAX_ADDRESS_PAIRS} other addresses already")
    return pairs


def pairs_without_vip(vip: ReservedFixedIP, port: Port) -> list[AddressPair]:
    """The address pairs of a port that is to be connected no more."""
    own = {line.ip for line in vip.addresses}
    return [pair for pair in port.allowed_address_pairs if pair.ip_address not in own]


def plan_vip_changes(
    vip: ReservedFixedIP, now: Iterable[Port], wanted: Collection[Port], *, keep: bool
) -> list[tuple[Port, list[AddressPair]]]:
    """The ports that change, with their new pairs, for a virtual IP to have those wanted; `keep` those it has."""
    ids = {port.id for port in wanted}
    there = list(now)
    joining = [(port, pairs_with_vip(vip, port)) for port in wanted if not is_connected(vip, port)]
    leaving = [] if keep else [(port, pairs_without_vip(vip, port)) for port in there if port.id not in ids]
    return [*joining, *leaving]
