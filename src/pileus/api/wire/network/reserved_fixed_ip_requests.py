"""Request bodies of reserved fixed IPs and virtual IPs."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from pileus.api.wire.constraints import IpFamily, Uuid
from pileus.domain import limits
from pileus.domain.compute.instance_orders import InterfaceType, NewInterface
from pileus.domain.network.reserved_fixed_ips import NewReservedFixedIP


class ReserveExternalFixedIP(Struct, kw_only=True, tag_field="type", tag="external"):
    """A public address to reserve."""

    ip_family: IpFamily | None = "ipv4"
    is_vip: bool = False

    def to_new_reserved_fixed_ip(self) -> NewReservedFixedIP:
        """Return the fixed IP to reserve."""
        interface = NewInterface(type=InterfaceType.EXTERNAL, ip_family=self.ip_family or "ipv4")
        return NewReservedFixedIP(interface=interface, is_vip=self.is_vip)


class ReserveFixedIPInSubnet(Struct, kw_only=True, tag_field="type", tag="subnet"):
    """Any address of a subnet to reserve."""

    subnet_id: Uuid
    is_vip: bool = False

    def to_new_reserved_fixed_ip(self) -> NewReservedFixedIP:
        """Return the fixed IP to reserve."""
        interface = NewInterface(type=InterfaceType.SUBNET, subnet_id=self.subnet_id)
        return NewReservedFixedIP(interface=interface, is_vip=self.is_vip)


class ReserveFixedIPInNetwork(Struct, kw_only=True, tag_field="type", tag="any_subnet"):
    """Any address of a network to reserve, in the subnet with the most free addresses."""

    network_id: Uuid
    ip_family: IpFamily | None = "ipv4"
    is_vip: bool = False

    def to_new_reserved_fixed_ip(self) -> NewReservedFixedIP:
        """Return the fixed IP to reserve."""
        interface = NewInterface(
            type=InterfaceType.ANY_SUBNET, network_id=self.network_id, ip_family=self.ip_family or "ipv4"
        )
        return NewReservedFixedIP(interface=interface, is_vip=self.is_vip)


class ReserveSpecificFixedIP(Struct, kw_only=True, tag_field="type", tag="ip_address"):
    """The address of a network to reserve."""

    network_id: Uuid
    ip_address: str
    is_vip: bool = False

    def to_new_reserved_fixed_ip(self) -> NewReservedFixedIP:
        """Return the fixed IP to reserve."""
        interface = NewInterface(type=InterfaceType.ANY_SUBNET, network_id=self.network_id, ip_address=self.ip_address)
        return NewReservedFixedIP(interface=interface, is_vip=self.is_vip)


class ReserveFixedIPsOfPort(Struct, kw_only=True, tag_field="type", tag="port"):
    """The port of an instance whose addresses to reserve."""

    port_id: Uuid

    def to_new_reserved_fixed_ip(self) -> NewReservedFixedIP:
        """Return the fixed IP to reserve."""
        return NewReservedFixedIP(port_id=self.port_id)


CreateReservedFixedIP = (
    ReserveExternalFixedIP
    | ReserveFixedIPInSubnet
    | ReserveFixedIPInNetwork
    | ReserveSpecificFixedIP
    | ReserveFixedIPsOfPort
)


class UpdateReservedFixedIP(Struct, kw_only=True):
    """A change of a reserved fixed IP to a virtual IP, or back."""

    is_vip: bool


class ConnectedDevicePorts(Struct, kw_only=True):
    """The ids of instances' ports."""

    port_ids: Annotated[list[Uuid], Meta(max_length=limits.VIRTUAL_IP_PORTS.value)] = field(default_factory=list)


class ConvertReservedFixedIPToFloatingIP(Struct, kw_only=True):
    """The resource type that a reserved fixed IP is converted to."""

    target_type: Literal["floating_ip"]
