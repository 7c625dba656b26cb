"""Rules of attaching an interface to an instance, and of detaching one."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from pileus.domain.compute.instance_orders import InterfaceType, NewInterface
from pileus.domain.compute.instances import Instance
from pileus.domain.errors import Invalid, invalid, not_found
from pileus.domain.limits import INSTANCE_INTERFACES
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.networks import Network, canonical_ip
from pileus.domain.network.ports import AssignedAddress, Port
from pileus.domain.network.security_groups import check_named_once


class AttachedInterface(Struct, frozen=True, kw_only=True):
    """A port of an instance with its addresses, and its floating IP, which may be new as well.

    `kept_floating_ips` are the ids of those that were assigned to the port before.
    """

    port: Port
    addresses: list[str]
    floating_ip: FloatingIP | None = None
    new_floating_ip: bool = False
    kept_floating_ips: list[str] = field(default_factory=list)


def require_attachable_interface(instance: Instance, interface: NewInterface) -> NewInterface:
    """Return the interface if it can be attached to an existing instance. Raises Invalid."""
    if not instance.is_virtual and interface.type == InterfaceType.EXTERNAL:
        raise invalid(type="A bare metal server cannot be given a public interface later")
    check_named_once(interface.security_group_ids)
    return interface


def check_another_interface_allowed(ports: Sequence[Port]) -> None:
    """Raise Invalid if an instance with these ports cannot have another interface."""
    if len(ports) >= INSTANCE_INTERFACES.value:
        raise Invalid(f"The instance has {len(ports)} interfaces already")


def next_interface_position(ports: Iterable[Port]) -> int:
    """Return the position after the last interface."""
    return max((port.position for port in ports), default=-1) + 1


def choose_public_address(network: Network | None, addresses: Sequence[str]) -> str:
    """Return the address to protect, preferably IPv4. Raises Invalid if the network is private."""
    if network is None or not network.external:
        raise invalid(ddos_profile="Only a public address can be protected")
    return min(addresses, key=lambda ip: ":" in ip)


def require_port_to_detach(ports: Iterable[Port], port_id: str) -> Port:
    """Return the port to detach from an instance with these ports. Raises NotFound."""
    for port in ports:
        if port.id == port_id:
            return port
    raise not_found("Port", port_id)


def check_port_has_address(port: Port, addresses: Iterable[AssignedAddress], ip_address: str) -> None:
    """Raise Invalid if the port does not have the address."""
    try:
        address = canonical_ip(ip_address)
    except ValueError:
        raise invalid(ip_address="value is not a valid IPv4 or IPv6 address") from None
    if address not in {assigned.ip for assigned in addresses}:
        raise invalid(ip_address=f"Port {port.id} has no address {address}")
