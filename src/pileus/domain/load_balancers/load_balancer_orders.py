"""Orders and patches of load balancers."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from msgspec import Struct, field

from pileus.domain.catalogue import Catalogue
from pileus.domain.compute.instance_orders import FloatingIPChoice, InterfaceType, NewInterface
from pileus.domain.errors import Invalid, invalid
from pileus.domain.ip_addresses import ip_address
from pileus.domain.load_balancers.flavors import LoadBalancerFlavor
from pileus.domain.load_balancers.listener_orders import NewListener
from pileus.domain.load_balancers.load_balancers import Logging, MemberConnectivity


class NewLoadBalancer(Struct, frozen=True, kw_only=True):
    """A load balancer to create. Without network and port it gets a public address."""

    name: str
    flavor_name: str | None = None
    vip_network_id: str | None = None
    vip_subnet_id: str | None = None
    vip_port_id: str | None = None
    vip_ip_family: str | None = None
    floating_ip: FloatingIPChoice | None = None
    preferred_connectivity: str = MemberConnectivity.L2
    logging: Logging = Logging()
    tags: Mapping[str, str] = field(default_factory=dict)
    listeners: Sequence[NewListener] = ()

    @property
    def is_public(self) -> bool:
        """Whether the address is a new one of the external network."""
        return self.vip_network_id is None and self.vip_port_id is None


class LoadBalancerPatch(TypedDict, total=False):
    """A merge patch of a load balancer. An absent key leaves the field unchanged."""

    name: str
    preferred_connectivity: str
    logging: Logging
    admin_state_up: bool
    tags: Mapping[str, str | None] | None


def plan_vip(order: NewLoadBalancer) -> NewInterface:
    """Return the interface that has the address of a load balancer. Raises Invalid."""
    if order.vip_network_id is not None and order.vip_port_id is not None:
        raise invalid(vip_port_id="Give either vip_network_id or vip_port_id")
    if order.vip_subnet_id is not None and order.vip_network_id is None:
        raise Invalid("Specify network ID in addition to subnet ID")
    family = order.vip_ip_family or "ipv4"
    if order.vip_port_id is not None:
        return NewInterface(
            type=InterfaceType.RESERVED_FIXED_IP, port_id=order.vip_port_id, floating_ip=order.floating_ip
        )
    if order.vip_network_id is None:
        return NewInterface(type=InterfaceType.EXTERNAL, ip_family=family, floating_ip=order.floating_ip)
    return NewInterface(
        type=InterfaceType.ANY_SUBNET if order.vip_subnet_id is None else InterfaceType.SUBNET,
        network_id=order.vip_network_id,
        subnet_id=order.vip_subnet_id,
        ip_family=family,
        floating_ip=order.floating_ip,
    )


def family_of_addresses(addresses: Sequence[str]) -> str:
    """Return the API's word for the families of addresses."""
    versions = {ip_address(address).version for address in addresses}
    return "dual" if len(versions) > 1 else f"ipv{versions.pop()}"


def choose_flavor(catalogue: Catalogue, name: str | None) -> LoadBalancerFlavor:
    """Return the flavor of a name, or the smallest one. Raises Invalid."""
    if name is None:
        flavors = catalogue.sorted_load_balancer_flavors
        if not flavors:
            raise Invalid("This cloud offers no flavors of load balancers")
        return flavors[0]
    flavor = catalogue.load_balancer_flavor(name)
    if flavor is None:
        raise invalid(flavor=f"There is no flavor {name} of load balancers")
    return flavor
