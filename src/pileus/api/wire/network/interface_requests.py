"""Request bodies of interfaces: of new instances, and to attach and detach."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from pileus.api.wire.constraints import InterfaceName, IpFamily, PortGroup, Uuid
from pileus.api.wire.network.ddos_profile_requests import NewInterfaceDdosProfile
from pileus.domain import limits
from pileus.domain.compute import instance_orders
from pileus.domain.compute.instance_orders import FloatingIPChoice, InterfaceType


class NewFloatingIP(Struct, kw_only=True, tag_field="source", tag="new"):
    """A floating IP to create for the interface."""

    def to_floating_ip_choice(self) -> FloatingIPChoice:
        """Return the choice."""
        return FloatingIPChoice()


class ExistingFloatingIP(Struct, kw_only=True, tag_field="source", tag="existing"):
    """An existing floating IP that is not assigned."""

    existing_floating_id: Uuid

    def to_floating_ip_choice(self) -> FloatingIPChoice:
        """Return the choice."""
        return FloatingIPChoice(existing_id=self.existing_floating_id)


InterfaceFloatingIP = NewFloatingIP | ExistingFloatingIP


class SecurityGroupId(Struct, kw_only=True):
    """A security group, by id."""

    id: Uuid


SecurityGroupIds = Annotated[list[SecurityGroupId], Meta(max_length=limits.PORT_SECURITY_GROUPS.value)]


class _NewInterface(Struct, kw_only=True, tag_field="type"):
    interface_name: InterfaceName | None = None
    security_groups: SecurityGroupIds | None = None
    port_group: PortGroup = 0

    def _new_interface(self, type_: InterfaceType, **rest: Any) -> instance_orders.NewInterface:
        return instance_orders.NewInterface(
            type=type_,
            interface_name=self.interface_name,
            port_group=self.port_group,
            security_group_ids=[group.id for group in self.security_groups or ()],
            **rest,
        )


class NewExternalInterface(_NewInterface, kw_only=True, tag="external"):
    """An interface with a public address."""

    ip_family: IpFamily | None = "ipv4"

    def to_new_interface(self) -> instance_orders.NewInterface:
        """Return the interface to create."""
        return self._new_interface(InterfaceType.EXTERNAL, ip_family=self.ip_family or "ipv4")


class NewSubnetInterface(_NewInterface, kw_only=True, tag="subnet"):
    """An interface in a subnet."""

    network_id: Uuid
    subnet_id: Uuid
    floating_ip: InterfaceFloatingIP | None = None

    def to_new_interface(self) -> instance_orders.NewInterface:
        """Return the interface to create."""
        return self._new_interface(
            InterfaceType.SUBNET,
            network_id=self.network_id,
            subnet_id=self.subnet_id,
            floating_ip=self.floating_ip and self.floating_ip.to_floating_ip_choice(),
        )


class NewAnySubnetInterface(_NewInterface, kw_only=True, tag="any_subnet"):
    """An interface in a network: in the subnet with the most free addresses, or at `ip_address`."""

    network_id: Uuid
    ip_address: str | None = None
    ip_family: IpFamily | None = "ipv4"
    floating_ip: InterfaceFloatingIP | None = None

    def to_new_interface(self) -> instance_orders.NewInterface:
        """Return the interface to create."""
        return self._new_interface(
            InterfaceType.ANY_SUBNET,
            network_id=self.network_id,
            ip_address=self.ip_address,
            ip_family=self.ip_family or "ipv4",
            floating_ip=self.floating_ip and self.floating_ip.to_floating_ip_choice(),
        )


class NewReservedFixedIPInterface(_NewInterface, kw_only=True, tag="reserved_fixed_ip"):
    """An interface at a reserved fixed IP, given by its port."""

    port_id: Uuid
    floating_ip: InterfaceFloatingIP | None = None

    def to_new_interface(self) -> instance_orders.NewInterface:
        """Return the interface to create."""
        return self._new_interface(
            InterfaceType.RESERVED_FIXED_IP,
            port_id=self.port_id,
            floating_ip=self.floating_ip and self.floating_ip.to_floating_ip_choice(),
        )


NewInterface = NewExternalInterface | NewSubnetInterface | NewAnySubnetInterface | NewReservedFixedIPInterface


class _AttachInterface(_NewInterface, kw_only=True):
    ddos_profile: NewInterfaceDdosProfile | None = None


class AttachExternalInterface(_AttachInterface, kw_only=True, tag="external"):
    """Attach an interface with a public address."""

    ip_family: IpFamily | None = None

    def to_new_interface(self) -> instance_orders.NewInterface:
        """Return the interface to create."""
        return self._new_interface(InterfaceType.EXTERNAL, ip_family=self.ip_family or "ipv4")


class AttachSubnetInterface(_AttachInterface, kw_only=True, tag="subnet"):
    """Attach an interface in a subnet."""

    subnet_id: Uuid

    def to_new_interface(self) -> instance_orders.NewInterface:
        """Return the interface to create."""
        return self._new_interface(InterfaceType.SUBNET, subnet_id=self.subnet_id)


class AttachAnySubnetInterface(_AttachInterface, kw_only=True, tag="any_subnet"):
    """Attach an interface in a network, in the subnet with the most free addresses."""

    network_id: Uuid
    ip_family: IpFamily | None = None

    def to_new_interface(self) -> instance_orders.NewInterface:
        """Return the interface to create."""
        return self._new_interface(
            InterfaceType.ANY_SUBNET, network_id=self.network_id, ip_family=self.ip_family or "ipv4"
        )


class AttachReservedFixedIPInterface(_AttachInterface, kw_only=True, tag="reserved_fixed_ip"):
    """Attach an interface at a reserved fixed IP, given by its port."""

    port_id: Uuid

    def to_new_interface(self) -> instance_orders.NewInterface:
        """Return the interface to create."""
        return self._new_interface(InterfaceType.RESERVED_FIXED_IP, port_id=self.port_id)


AttachInterface = (
    AttachExternalInterface | AttachSubnetInterface | AttachAnySubnetInterface | AttachReservedFixedIPInterface
)

TYPE_OF_FIELD = {"subnet_id": "subnet", "network_id": "any_subnet", "port_id": "reserved_fixed_ip"}


def with_inferred_interface_type(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the body with the type that older clients leave out: it follows from the id that the body has."""
    if raw.get("type") is not None:
        return raw
    types = (type_ for field, type_ in TYPE_OF_FIELD.items() if raw.get(field) is not None)
    return raw | {"type": next(types, "external")}


class DetachInterface(Struct, kw_only=True):
    """The interface to detach: its port, and an address of the port."""

    ip_address: str
    port_id: Uuid
