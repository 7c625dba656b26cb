"""Reserved fixed IPs, and the devices of virtual IPs, as the API shows them."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.network.networks import NetworkView
from pileus.api.wire.network.ports import AllowedAddressPairView
from pileus.api.wire.network.subnets import SubnetView
from pileus.domain.compute.instances import Instance
from pileus.domain.network.ports import AssignedAddress, Port
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIP

ReservedOrder = Literal[
    "created_at.asc", "created_at.desc", "fixed_ip_address.asc", "fixed_ip_address.desc", "name.asc", "name.desc",
    "status.asc", "status.desc", "updated_at.asc", "updated_at.desc",
]  # fmt: skip


class ReservedFixedIPAttachmentView(Struct, kw_only=True):
    """A resource that uses the address."""

    resource_id: str | None
    resource_type: str | None


class FixedIPReservationView(Struct, kw_only=True):
    """The status of the address, `available` or `attached`, and the resource that it is attached to."""

    status: str
    resource_id: str | None
    resource_type: str | None


class ReservedFixedIPView(Struct, kw_only=True):
    """A reserved fixed IP, identified by its port."""

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
    reservation: FixedIPReservationView
    attachments: list[ReservedFixedIPAttachmentView]
    allowed_address_pairs: list[AllowedAddressPairView]
    project_id: int
    region: str
    region_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, reserved: ReservedFixedIP, network: NetworkView, region_name: str) -> "ReservedFixedIPView":
        """Return the view of a reserved fixed IP."""
        port, ipv4, ipv6 = reserved.port, reserved.address_of_version(4), reserved.address_of_version(6)
        attachments = [
            ReservedFixedIPAttachmentView(resource_id=device_id, resource_type=_resource_type(reserved, device_id))
            for device_id in reserved.device_ids
        ]
        return make_view(
            cls,
            port,
            port_id=port.id,
            fixed_ip_address=ipv4.ip if ipv4 else None,
            fixed_ipv6_address=ipv6.ip if ipv6 else None,
            subnet_id=ipv4.subnet_id if ipv4 else None,
            subnet_v6_id=ipv6.subnet_id if ipv6 else None,
            network=network,
            is_external=reserved.network.external,
            status="ACTIVE" if attachments else "DOWN",
            reservation=_reservation_view(reserved),
            attachments=attachments,
            allowed_address_pairs=[AllowedAddressPairView.of(pair) for pair in port.allowed_address_pairs],
            **common_view_fields(port, region_name),
        )


class IpAssignmentWithSubnet(Struct, kw_only=True):
    """An address of a port, with its subnet."""

    ip_address: str
    subnet_id: str
    subnet: SubnetView


class VirtualIPDeviceView(Struct, kw_only=True):
    """A port of an instance that is connected to a virtual IP, or can be."""

    port_id: str
    instance_id: str
    instance_name: str
    network: NetworkView
    ip_assignments: list[IpAssignmentWithSubnet]

    @classmethod
    def of(
        cls,
        port: Port,
        instance: Instance,
        network: NetworkView,
        addresses: list[AssignedAddress],
        subnets: Mapping[str, SubnetView],
    ) -> "VirtualIPDeviceView":
        """Return the view of a port."""
        return cls(
            port_id=port.id,
            instance_id=instance.id,
            instance_name=instance.name,
            network=network,
            ip_assignments=[
                IpAssignmentWithSubnet(
                    ip_address=address.ip, subnet_id=address.subnet_id, subnet=subnets[address.subnet_id]
                )
                for address in addresses
            ],
        )


def _reservation_view(reserved: ReservedFixedIP) -> FixedIPReservationView:
    if not reserved.device_ids:
        return FixedIPReservationView(status="available", resource_id=None, resource_type=None)
    device_id = reserved.device_ids[0]
    resource_type = _resource_type(reserved, device_id)
    return FixedIPReservationView(status="attached", resource_id=device_id, resource_type=resource_type)


def _resource_type(reserved: ReservedFixedIP, device_id: str) -> str:
    return "load_balancer" if device_id == reserved.port.load_balancer_id else "instance"
