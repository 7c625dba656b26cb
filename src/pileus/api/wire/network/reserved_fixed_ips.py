"""Reserved fixed IPs and virtual IPs as the API shows them, and the bodies that make and change them."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from pileus.api.wire.common import common_fields
from pileus.api.wire.constraints import IpFamily, Uuid
from pileus.api.wire.network.networks import NetworkView
from pileus.api.wire.network.ports import AddressPairView
from pileus.api.wire.network.subnets import SubnetView
from pileus.domain.compute.instance_orders import InterfaceType, NewInterface
from pileus.domain.compute.instances import Instance
from pileus.domain.network.ports import AssignedAddress, Port
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIP

ReservedOrder = Literal[
    "created_at.asc", "created_at.desc", "fixed_ip_address.asc", "fixed_ip_address.desc", "name.asc", "name.desc",
    "status.asc", "status.desc", "updated_at.asc", "updated_at.desc",
]  # fmt: skip


class AttachmentView(Struct, kw_only=True):
    """What uses an address."""

    resource_id: str | None
    resource_type: str | None


class ReservationView(Struct, kw_only=True):
    """Whether an address is `available` or `attached`, and to what."""

    status: str
    resource_id: str | None
    resource_type: str | None


class ReservedFixedIPView(Struct, kw_only=True):
    """An address that is kept without an instance; it is known by its port."""

    port_id: str
    name: str
    fixed_ip_address: str | None
    fixed_ipv6_address: str | None
    subnet_id: str | None
    subnet_v6_id: str | None
    network_id: str
    network: NetworkView
    is_external: bool
    is_vip: bool
    status: str
    reservation: ReservationView
    attachments: list[AttachmentView]
    allowed_address_pairs: list[AddressPairView]
    project_id: int
    region: str
    region_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, one: ReservedFixedIP, network: NetworkView, region_name: str) -> "ReservedFixedIPView":
        """Show one of them."""
        port, four, six = one.port, one.address(4), one.address(6)
        used = [AttachmentView(resource_id=each, resource_type="instance") for each in one.instance_ids]
        return cls(
            port_id=port.id,
            name=port.name,
            fixed_ip_address=four.ip if four else None,
            fixed_ipv6_address=six.ip if six else None,
            subnet_id=four.subnet_id if four else None,
            subnet_v6_id=six.subnet_id if six else None,
            network_id=port.network_id,
            network=network,
            is_external=one.network.external,
            is_vip=port.is_vip,
            status="ACTIVE" if used else "DOWN",
            reservation=_reservation(one),
            attachments=used,
            allowed_address_pairs=[AddressPairView.of(pair) for pair in port.allowed_address_pairs],
            **common_fields(port, region_name),
        )


class AssignmentInSubnet(Struct, kw_only=True):
    """An address of a port, with its subnet."""

    ip_address: str
    subnet_id: str
    subnet: SubnetView


class DeviceView(Struct, kw_only=True):
    """A port of an instance that shares a virtual IP, or could."""

    port_id: str
    instance_id: str
    instance_name: str
    network: NetworkView
    ip_assignments: list[AssignmentInSubnet]

    @classmethod
    def of(
        cls,
        port: Port,
        instance: Instance,
        network: NetworkView,
        lines: list[AssignedAddress],
        ranges: Mapping[str, SubnetView],
    ) -> "DeviceView":
        """Show one of them."""
        return cls(
            port_id=port.id,
            instance_id=instance.id,
            instance_name=instance.name,
            network=network,
            ip_assignments=[
                AssignmentInSubnet(ip_address=line.ip, subnet_id=line.subnet_id, subnet=ranges[line.subnet_id])
                for line in lines
            ],
        )


class ReserveExternal(Struct, kw_only=True, tag_field="type", tag="external"):
    """A public address."""

    ip_family: IpFamily | None = "ipv4"
    is_vip: bool = False

    def interface(self) -> NewInterface:
        """Say it in the rules' words."""
        return NewInterface(type=InterfaceType.EXTERNAL, ip_family=self.ip_family or "ipv4")


class ReserveInSubnet(Struct, kw_only=True, tag_field="type", tag="subnet"):
    """Any address of a subnet."""

    subnet_id: Uuid
    is_vip: bool = False

    def interface(self) -> NewInterface:
        """Say it in the rules' words."""
        return NewInterface(type=InterfaceType.SUBNET, subnet_id=self.subnet_id)


class ReserveInNetwork(Struct, kw_only=True, tag_field="type", tag="any_subnet"):
    """Any address of a network, in the subnet with the most room."""

    network_id: Uuid
    ip_family: IpFamily | None = "ipv4"
    is_vip: bool = False

    def interface(self) -> NewInterface:
        """Say it in the rules' words."""
        return NewInterface(
            type=InterfaceType.ANY_SUBNET, network_id=self.network_id, ip_family=self.ip_family or "ipv4"
        )


class ReserveAddress(Struct, kw_only=True, tag_field="type", tag="ip_address"):
    """One address of a network, by name."""

    network_id: Uuid
    ip_address: str
    is_vip: bool = False

    def interface(self) -> NewInterface:
        """Say it in the rules' words."""
        return NewInterface(type=InterfaceType.ANY_SUBNET, network_id=self.network_id, ip_address=self.ip_address)


class ReservePort(Struct, kw_only=True, tag_field="type", tag="port"):
    """The addresses of an instance's port, to be kept when the instance goes."""

    port_id: Uuid


NewAddress = ReserveExternal | ReserveInSubnet | ReserveInNetwork | ReserveAddress
CreateReservedFixedIP = ReserveExternal | ReserveInSubnet | ReserveInNetwork | ReserveAddress | ReservePort


class UpdateReservedFixedIP(Struct, kw_only=True):
    """Whether an address is a virtual IP."""

    is_vip: bool


class DevicePorts(Struct, kw_only=True):
    """Ports of instances, by id."""

    port_ids: list[Uuid] = field(default_factory=list)


class ConvertReservedFixedIP(Struct, kw_only=True):
    """What a reserved fixed IP is to become."""

    target_type: Literal["floating_ip"]


class ConvertFloatingIP(Struct, kw_only=True):
    """What a floating IP is to become."""

    target_type: Literal["reserved_fixed_ip"]


def _reservation(one: ReservedFixedIP) -> ReservationView:
    first = next(iter(one.instance_ids), None)
    return ReservationView(
        status="attached" if first else "available", resource_id=first, resource_type="instance" if first else None
    )
