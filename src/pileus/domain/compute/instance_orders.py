"""Orders: requests to create instances, and the resources that they need."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instances import InstanceKind
from pileus.domain.errors import invalid
from pileus.domain.network.ddos_profiles import NewDdosProfile


class VolumeSource(StrEnum):
    """The source of an instance's volume."""

    NEW = "new-volume"
    IMAGE = "image"
    SNAPSHOT = "snapshot"
    APPTEMPLATE = "apptemplate"
    EXISTING = "existing-volume"


class InterfaceType(StrEnum):
    """The source of an interface's address."""

    EXTERNAL = "external"
    SUBNET = "subnet"
    ANY_SUBNET = "any_subnet"
    RESERVED_FIXED_IP = "reserved_fixed_ip"


class NewVolume(Struct, frozen=True, kw_only=True):
    """A volume to create or to attach; `source_id` is the id of its image, snapshot, app template or itself."""

    source: VolumeSource
    source_id: str | None = None
    size: int | None = None
    type_name: str | None = None
    name: str | None = None
    boot_index: int | None = None
    delete_on_termination: bool = False
    attachment_tag: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class FloatingIPChoice(Struct, frozen=True, kw_only=True):
    """A floating IP for an interface: an existing one, or a new one if `existing_id` is None."""

    existing_id: str | None = None


class NewInterface(Struct, frozen=True, kw_only=True):
    """An interface to create. Only the ids that its type needs are set."""

    type: InterfaceType
    network_id: str | None = None
    subnet_id: str | None = None
    port_id: str | None = None
    ip_address: str | None = None
    ip_family: str = "ipv4"
    floating_ip: FloatingIPChoice | None = None
    security_group_ids: Sequence[str] = ()
    interface_name: str | None = None
    port_group: int = 0


def source_ids_of_kind(volumes: Iterable[NewVolume], source: VolumeSource) -> list[str]:
    """Return the ids of the sources of one kind that volumes are created from, without duplicates."""
    matching = [volume.source_id for volume in volumes if volume.source == source]
    return list(dict.fromkeys(source_id for source_id in matching if source_id is not None))


class InstanceOrder(Struct, frozen=True, kw_only=True):
    """An instance to create; its flavor must be of one of the `kinds`. `user_data` is base64 text."""

    flavor_id: str
    name: str | None = None
    name_template: str | None = None
    volumes: Sequence[NewVolume]
    interfaces: Sequence[NewInterface]
    security_group_ids: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    ssh_key_name: str | None = None
    placement_group_id: str | None = None
    username: str | None = None
    password: str | None = None
    user_data: str | None = None
    configuration: Mapping[str, Any] | None = None
    ddos_profile: NewDdosProfile | None = None
    kinds: tuple[InstanceKind, ...] = (InstanceKind.VM, InstanceKind.GPU)

    def check_baremetal_boot_source(self) -> None:
        """Raise Invalid if a bare metal server is ordered without an image or app template, or with both."""
        if self.kinds == (InstanceKind.BAREMETAL,) and len(self.volumes) != 1:
            raise invalid(image_id="Give either image_id or apptemplate_id")

    def security_group_ids_of(self, interface: NewInterface) -> Sequence[str]:
        """Return the security groups of an interface or else of the order. None means the project's default group."""
        return interface.security_group_ids or self.security_group_ids


class VolumeDemand(Struct, frozen=True):
    """A new volume, to price and to count; `size` in GiB."""

    size: int
    type_name: str = "standard"


class ResourceDemand(Struct, frozen=True, kw_only=True):
    """The new resources of `count` equal servers, to price and to check against quotas."""

    flavor: Flavor | None = None
    disks: Sequence[VolumeDemand] = ()
    floating_ips: int = 0
    external_ips: int = 0
    count: int = 1


def count_resource_demand(
    flavor: Flavor | None, disks: Sequence[VolumeDemand], interfaces: Iterable[NewInterface], count: int = 1
) -> ResourceDemand:
    """Count the new resources. Each external interface and each new floating IP needs a public address."""
    new_interfaces = list(interfaces)
    return ResourceDemand(
        flavor=flavor,
        disks=disks,
        floating_ips=sum(
            interface.floating_ip is not None and interface.floating_ip.existing_id is None
            for interface in new_interfaces
        ),
        external_ips=sum(interface.type == InterfaceType.EXTERNAL for interface in new_interfaces),
        count=count,
    )
