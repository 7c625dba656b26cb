"""Reserved fixed IPs: ports that keep their addresses without an instance, and virtual IPs that several ports share.

A port is connected to a virtual IP if one of its allowed address pairs has the virtual IP's address.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.compute.instance_orders import NewInterface
from pileus.domain.errors import Conflict, Invalid, invalid
from pileus.domain.ip_addresses import ip_address
from pileus.domain.limits import ALLOWED_ADDRESS_PAIRS
from pileus.domain.network.networks import Network
from pileus.domain.network.ports import AddressPair, AssignedAddress, Port


class NewReservedFixedIP(Struct, frozen=True, kw_only=True):
    """A fixed IP to reserve: new addresses for `interface`, or the addresses of the instance's port `port_id`."""

    interface: NewInterface | None = None
    port_id: str = ""
    is_vip: bool = False


class ReservedFixedIP(Struct, frozen=True, kw_only=True):
    """A reserved port with its network, its addresses and the instances that use it."""

    port: Port
    network: Network
    addresses: Sequence[AssignedAddress]
    instance_ids: Sequence[str] = ()

    @property
    def device_ids(self) -> list[str]:
        """The ids of the instances and the load balancer that use it."""
        return [*self.instance_ids, *([self.port.load_balancer_id] if self.port.load_balancer_id else [])]

    def address_of_version(self, version: int) -> AssignedAddress | None:
        """Return the address of an IP version, or None."""
        return next((line for line in self.addresses if ip_address(line.ip).version == version), None)

    def require_free(self) -> "ReservedFixedIP":
        """Return it if no instance uses it and it is no virtual IP. Raises Conflict or Invalid."""
        self.port.require_unlocked()
        if self.port.is_vip:
            raise Invalid(f"Reserved fixed IP {self.port.id} is a virtual IP: set is_vip to false first")
        if self.instance_ids:
            raise Conflict(f"Reserved fixed IP {self.port.id} is attached to instance {self.instance_ids[0]}")
        if self.port.load_balancer_id is not None:
            raise Conflict(f"Reserved fixed IP {self.port.id} is that of load balancer {self.port.load_balancer_id}")
        return self

    def port_with_vip(self, now: int, *, is_vip: bool) -> Port:
        """Return the port as a virtual IP or as a plain one. Raises Conflict while an instance uses it."""
        port = self.port.require_unlocked()
        if is_vip and port.load_balancer_id is not None:
            raise Conflict(f"Reserved fixed IP {port.id} is that of load balancer {port.load_balancer_id}")
        if is_vip != port.is_vip and self.instance_ids:
            verb = "is attached to" if is_vip else "is connected to"
            raise Conflict(f"Reserved fixed IP {port.id} {verb} instance {self.instance_ids[0]}")
        return replace(port, is_vip=is_vip, updated_at=now)


class ReservedFixedIPFilter(Struct, frozen=True, kw_only=True):
    """The filter of a list of reserved fixed IPs. None and False do not filter."""

    available_only: bool = False
    device_id: str | None = None
    external_only: bool = False
    internal_only: bool = False
    ip_address: str | None = None
    vip_only: bool = False

    def matches(self, reserved: ReservedFixedIP) -> bool:
        """Return whether a reserved fixed IP belongs to the list."""
        return (
            not (self.available_only and reserved.device_ids)
            and (self.device_id is None or self.device_id in reserved.device_ids)
            and not (self.external_only and not reserved.network.external)
            and not (self.internal_only and reserved.network.external)
            and not (self.vip_only and not reserved.port.is_vip)
            and (self.ip_address is None or any(self.ip_address in line.ip for line in reserved.addresses))
        )


SORT_KEYS: dict[str, Callable[[ReservedFixedIP], tuple[int, ...] | str | int]] = {
    "created_at": lambda reserved: reserved.port.created_at,
    "fixed_ip_address": lambda reserved: min(
        ((address.version, int(address)) for address in (ip_address(line.ip) for line in reserved.addresses)),
        default=(0, 0),
    ),
    "name": lambda reserved: reserved.port.name,
    "status": lambda reserved: int(not reserved.device_ids),
    "updated_at": lambda reserved: reserved.port.updated_at,
}


def filter_and_sort(
    reserved_fixed_ips: Iterable[ReservedFixedIP], criteria: ReservedFixedIPFilter, order_by: str
) -> list[ReservedFixedIP]:
    """Filter reserved fixed IPs and sort them by the API's sort key (`column.direction`)."""
    column, _, direction = order_by.partition(".")
    matching = sorted(filter(criteria.matches, reserved_fixed_ips), key=lambda reserved: reserved.port.id)
    return sorted(matching, key=SORT_KEYS[column], reverse=direction == "desc")


def ports_connectable_to_vip(vip: ReservedFixedIP, ports: Iterable[Port]) -> list[Port]:
    """Return the ports that can be connected to a virtual IP: those in its network that are not connected."""
    return [port for port in ports if port.network_id == vip.network.id and not is_connected_to_vip(vip, port)]


def is_connected_to_vip(vip: ReservedFixedIP, port: Port) -> bool:
    """Return whether a port is connected to a virtual IP."""
    vip_addresses = {line.ip for line in vip.addresses}
    return any(pair.ip_address in vip_addresses for pair in port.allowed_address_pairs)


def require_vip(vip: ReservedFixedIP) -> ReservedFixedIP:
    """Return it if it is a virtual IP and unlocked. Raises Conflict or Invalid."""
    vip.port.require_unlocked()
    if not vip.port.is_vip:
        raise Invalid(f"Reserved fixed IP {vip.port.id} is not a virtual IP: set is_vip to true first")
    return vip


def address_pairs_with_vip(vip: ReservedFixedIP, port: Port) -> list[AddressPair]:
    """Return the address pairs of a port with the virtual IP's. Raises Invalid."""
    if port.network_id != vip.network.id or port.instance_id is None:
        raise invalid(port_ids=f"Port {port.id} is not a port of an instance in network {vip.network.id}")
    pairs = [*port.allowed_address_pairs, *(AddressPair(line.ip, port.mac_address) for line in vip.addresses)]
    if len(pairs) > ALLOWED_ADDRESS_PAIRS.value:
        raise invalid(port_ids=f"Port {port.id} has {ALLOWED_ADDRESS_PAIRS.value} allowed address pairs already")
    return pairs


def address_pairs_without_vip(vip: ReservedFixedIP, port: Port) -> list[AddressPair]:
    """Return the address pairs of a port without the virtual IP's."""
    vip_addresses = {line.ip for line in vip.addresses}
    return [pair for pair in port.allowed_address_pairs if pair.ip_address not in vip_addresses]


def plan_vip_connections(
    vip: ReservedFixedIP, connected: Iterable[Port], requested: Collection[Port], *, keep_others: bool
) -> list[tuple[Port, list[AddressPair]]]:
    """Return the ports to change and their new pairs. `keep_others` leaves connected ports that are not requested."""
    requested_ids = {port.id for port in requested}
    before = list(connected)
    connecting = [(port, address_pairs_with_vip(vip, port)) for port in requested if not is_connected_to_vip(vip, port)]
    disconnecting = (
        []
        if keep_others
        else [(port, address_pairs_without_vip(vip, port)) for port in before if port.id not in requested_ids]
    )
    return [*connecting, *disconnecting]
