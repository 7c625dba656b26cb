"""Instances, their consoles and their available names."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from pileus.api.wire import tags
from pileus.api.wire.compute.flavors import InstanceFlavorView
from pileus.api.wire.legacy import LegacyField
from pileus.api.wire.network.ddos_profiles import BlackholePortView, DdosProfileView
from pileus.api.wire.tags import TagView
from pileus.api.wire.times import format_zulu
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instance_details import InstanceAddress, InstanceDetails
from pileus.domain.compute.instances import Instance


class InstanceAddressView(Struct, gc=False):
    """An address; only a fixed one has an interface and a subnet, and lists do not show the subnet."""

    addr: str
    type: Literal["fixed", "floating"]
    interface_name: str | UnsetType | None = UNSET
    subnet_id: str | UnsetType = UNSET
    subnet_name: str | UnsetType = UNSET


class FixedIpAssignment(Struct, gc=False):
    """A fixed address with its subnet; `external` if its network is public."""

    ip_address: str
    subnet_id: str
    external: bool


class InstanceVolume(Struct, gc=False):
    """A volume of an instance."""

    id: str
    delete_on_termination: bool


class InstanceSecurityGroup(Struct, gc=False):
    """A security group of an instance, by name."""

    name: str


class InstanceIsolation(Struct, kw_only=True):
    """Why an instance is isolated from its networks."""

    reason: str | None


class InstanceViewOptions(Struct, frozen=True, kw_only=True):
    """Which optional fields of an instance to show: subnets and interface names of addresses, and the DDoS profile."""

    subnets: bool = True
    interface_names: bool = True
    ddos_profile: bool = True


ALL_FIELDS = InstanceViewOptions()


class InstanceView(Struct, gc=False):
    """An instance; `task_id` is the task that has locked it, `creator_task_id` the task that created it."""

    id: str
    name: str
    instance_description: str | None
    status: str
    vm_state: str
    task_state: str | None
    flavor: InstanceFlavorView
    volumes: list[InstanceVolume]
    addresses: dict[str, list[InstanceAddressView]]
    fixed_ip_assignments: list[FixedIpAssignment] | None
    security_groups: list[InstanceSecurityGroup]
    ssh_key_name: str | None
    tags: list[TagView]
    blackhole_ports: list[BlackholePortView]
    ddos_profile: DdosProfileView | None
    instance_isolation: InstanceIsolation | None
    region: str
    region_id: int
    project_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    instance_id: LegacyField[str]
    instance_name: LegacyField[str]
    instance_created: LegacyField[str]
    keypair_name: LegacyField[str | None]
    metadata: LegacyField[dict[str, str]]
    metadata_detailed: LegacyField[list[TagView]]

    @classmethod
    def of(
        cls, instance: Instance, details: InstanceDetails, region_name: str, flavor: Flavor,
        options: InstanceViewOptions = ALL_FIELDS,
    ) -> "InstanceView":  # fmt: skip
        """Show an instance with its details."""
        tag_list, created_at = tags.tag_views(details.tags), format_zulu(instance.created_at)
        addresses, assignments = _addresses(details.addresses, options)
        # By position, in the order of the fields: so many names would take a fifth of the time of this function.
        return cls(
            instance.id,
            instance.name,
            instance.description,
            instance.status,
            instance.vm_state,
            instance.task_state,
            InstanceFlavorView.of(flavor),
            [InstanceVolume(volume.volume_id, volume.delete_on_termination) for volume in details.volumes],
            addresses,
            assignments,
            list(map(InstanceSecurityGroup, details.security_groups)),
            instance.ssh_key_id,
            tag_list,
            list(map(BlackholePortView.of, details.blackhole_ports)) if details.blackhole_ports else [],
            _ddos_profile(details) if options.ddos_profile else None,
            InstanceIsolation(reason=instance.isolation_reason) if instance.isolated else None,
            region_name,
            instance.region_id,
            instance.project_id,
            instance.task_id,
            instance.creator_task_id,
            created_at,
            instance.id,
            instance.name,
            created_at,
            instance.ssh_key_id,
            {tag.key: tag.value for tag in details.tags},
            tag_list,
        )


class RemoteConsoleUrl(Struct, kw_only=True):
    """The URL of a console."""

    url: str
    type: str
    protocol: str


class RemoteConsoleView(Struct, kw_only=True):
    """A console of an instance."""

    remote_console: RemoteConsoleUrl


class InstanceNamingRules(Struct, kw_only=True):
    """The rules for names of instances."""

    custom_name_allowed: bool
    name_templates_limited: bool
    allowed_name_templates: list[str] | None
    allowed_name_win_templates: list[str] | None
    allowed_bm_name_templates: list[str] | None
    allowed_bm_name_win_templates: list[str] | None


def _addresses(
    addresses: list[InstanceAddress], options: InstanceViewOptions
) -> tuple[dict[str, list[InstanceAddressView]], list[FixedIpAssignment]]:
    """Show the fixed addresses by network, then those that float; and the fixed ones with their subnets."""
    views: dict[str, list[InstanceAddressView]] = {}
    assignments: list[FixedIpAssignment] = []
    floating: list[InstanceAddress] = []
    for address in addresses:
        if address.floating:
            floating.append(address)
        else:
            views.setdefault(address.network_name, []).append(_fixed(address, options))
            assignments.append(FixedIpAssignment(address.addr, address.subnet_id, address.external))
    for address in floating:
        views.setdefault(address.network_name, []).append(InstanceAddressView(address.addr, "floating"))
    return views, assignments


def _ddos_profile(details: InstanceDetails) -> DdosProfileView | None:
    profile = details.ddos_profile
    return None if profile is None else DdosProfileView.of(profile, details.ddos_template)


def _fixed(address: InstanceAddress, options: InstanceViewOptions) -> InstanceAddressView:
    interface_name = address.interface_name if options.interface_names else None
    if options.subnets:
        return InstanceAddressView(address.addr, "fixed", interface_name, address.subnet_id, address.subnet_name)
    return InstanceAddressView(address.addr, "fixed", interface_name)
