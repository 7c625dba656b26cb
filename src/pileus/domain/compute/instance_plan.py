"""Plan an instance: the records that an order and its resolved sources lead to.

`plan_instance` decides and its caller saves; `disks.py` has the rules for volumes. Ports and addresses are planned
elsewhere: `InstancePlan.with_filled_names` fills a name template when the addresses are known.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from pileus.domain.compute.flavors import Flavor, boot_misfit_reason
from pileus.domain.compute.images import Image
from pileus.domain.compute.instance_orders import (
    InstanceOrder,
    ResourceDemand,
    VolumeDemand,
    VolumeSource,
    count_resource_demand,
)
from pileus.domain.compute.instances import FirstBootData, Instance, InstanceKind
from pileus.domain.compute.user_data import require_valid_user_data
from pileus.domain.context import Context
from pileus.domain.errors import NoCapacity, invalid, nest_field_errors
from pileus.domain.limits import PASSWORD
from pileus.domain.names import NAME_PATTERN, NAME_REGEX, fill_name_template
from pileus.domain.network.security_groups import check_named_once
from pileus.domain.storage.disks import (
    ResolvedDisk,
    VolumeSourceRecords,
    find_boot_disk,
    resolve_disk,
    with_assigned_boot_order,
)
from pileus.domain.storage.volumes import Attachment, Volume, VolumeStatus, device_name
from pileus.domain.tags import Tag, make_tags, merged_tags, validate_tags

LONGEST_ADDRESS = "255.255.255.255"
"""Bytes of a password that libcrypt and PAM take."""


class ResolvedOrder(Struct, frozen=True, kw_only=True):
    """The records that the names and ids in an order refer to; `disks` holds the sources of its volumes."""

    flavor: Flavor
    ssh_key_id: str | None = None
    disks: VolumeSourceRecords


class InstancePlan(Struct, frozen=True, kw_only=True):
    """The records of a new instance; `volumes` are new; `tags` are by the id of their resource.

    `configuration` holds the answers for the application of an app template. `unusable_volumes` are existing ones that
    are not available: the order is accepted, and its task fails.
    """

    instance: Instance
    volumes: list[Volume] = field(default_factory=list)
    existing_volumes: list[Volume] = field(default_factory=list)
    unusable_volumes: list[Volume] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    tags: dict[str, dict[str, Tag]]
    configuration: dict[str, Any] = field(default_factory=dict)

    def with_filled_names(self, addresses: Sequence[str]) -> "InstancePlan":
        """Fill the name template in the names of the instance and its volumes."""
        instance = with_filled_name(self.instance, self.instance.name, addresses)
        volumes = [replace(volume, name=fill_name_template(volume.name, addresses)) for volume in self.volumes]
        return replace(self, instance=instance, volumes=volumes)

    def resource_demand(self, order: InstanceOrder, flavor: Flavor) -> ResourceDemand:
        """Return the new resources, to check against quotas."""
        return count_resource_demand(
            flavor, [VolumeDemand(volume.size, volume.type_name) for volume in self.volumes], order.interfaces
        )


def with_filled_name(instance: Instance, template: str, addresses: Sequence[str]) -> Instance:
    """Fill the name template of an instance from its addresses."""
    return replace(instance, name=fill_name_template(template, addresses))


def plan_instance(order: InstanceOrder, sources: ResolvedOrder, ctx: Context, task_id: str) -> InstancePlan:
    """Plan the records of an ordered instance. Raises Invalid, NotFound, Conflict or NoCapacity."""
    name, flavor = _choose_name(order), sources.flavor
    _check_order(order, flavor)
    disks = with_assigned_boot_order(_resolve_disks(order, flavor, sources.disks))
    boot = find_boot_disk(disks)
    image = boot.image if boot else None
    _check_flavor_fits(flavor, boot)
    instance = _new_instance(order, sources, image, name, ctx, task_id)
    tags = {
        instance.id: merged_tags(
            make_tags(_system_tags(boot, task_id).items(), read_only=True), validate_tags(order.tags)
        )
    }
    template = boot.app_template if boot else None
    answers = template.answers_with_defaults(order.configuration) if template else {}
    plan = InstancePlan(instance=instance, tags=tags, configuration=answers)
    return plan if flavor.kind != InstanceKind.VM else _with_volumes(plan, disks, sources.disks, ctx, task_id)


def _resolve_disks(order: InstanceOrder, flavor: Flavor, sources: VolumeSourceRecords) -> list[ResolvedDisk]:
    disks = []
    for position, volume in enumerate(order.volumes):
        # The request of a bare metal server has no list of volumes: it has the fields of the only one.
        with nest_field_errors(*(() if flavor.kind == InstanceKind.BAREMETAL else ("volumes", position))):
            disks.append(resolve_disk(volume, flavor, sources))
    return disks


def _with_volumes(
    plan: InstancePlan, disks: Sequence[ResolvedDisk], sources: VolumeSourceRecords, ctx: Context, task_id: str
) -> InstancePlan:
    pairs = [
        (disk, _plan_volume(disk, plan.instance.name, position, ctx, task_id))
        for position, disk in enumerate(disks)
        if disk.is_usable
    ]
    return replace(
        plan,
        volumes=[volume for disk, volume in pairs if disk.existing is None],
        existing_volumes=[volume for disk, volume in pairs if disk.existing is not None],
        unusable_volumes=[disk.existing for disk in disks if disk.existing is not None and not disk.is_usable],
        attachments=[_new_attachment(disk, volume, at, plan, ctx) for at, (disk, volume) in enumerate(pairs)],
        tags=plan.tags | {volume.id: _volume_tags(disk, sources, task_id) for disk, volume in pairs},
    )


def new_volume_from_disk(disk: ResolvedDisk, name: str, ctx: Context, task_id: str) -> Volume:
    """Create the record of a new volume, locked by the task that creates it."""
    now = ctx.now()
    return Volume(
        id=ctx.new_id(),
        **asdict(ctx.place),
        name=name,
        size=disk.size,
        type_name=disk.type_name,
        bootable=disk.bootable,
        image_id=disk.image.id if disk.image else None,
        snapshot_id=disk.snapshot.id if disk.snapshot else None,
        apptemplate_id=disk.app_template.id if disk.app_template else None,
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )


def _choose_name(order: InstanceOrder) -> str:
    """Return the name, or the template until it can be filled. Raises Invalid."""
    if order.name and order.name_template:
        raise invalid(name="Give either name or name_template, not both")
    if order.name_template:
        if not NAME_REGEX.fullmatch(fill_name_template(order.name_template, [LONGEST_ADDRESS])):
            raise invalid(name_template="It gives no name when {ip_octets}, {two_ip_octets}, {one_ip_octet} are filled")
        return order.name_template
    if not order.name:
        raise invalid(name="Field required")
    if not NAME_REGEX.fullmatch(order.name):
        raise invalid(name=f"String should match pattern '{NAME_PATTERN}'")
    return order.name


def _check_order(order: InstanceOrder, flavor: Flavor) -> None:
    if flavor.disabled:
        raise NoCapacity(f"Flavor {flavor.id} is disabled")
    for interface in order.interfaces:
        check_named_once([*order.security_group_ids, *interface.security_group_ids])
    if order.security_group_ids and any(interface.security_group_ids for interface in order.interfaces):
        raise invalid(security_groups="Give security groups for the instance or for its interfaces, not for both")
    volume_sources = {volume.source for volume in order.volumes}
    if flavor.kind != InstanceKind.VM and (
        len(order.volumes) != 1 or not volume_sources <= {VolumeSource.IMAGE, VolumeSource.APPTEMPLATE}
    ):
        raise invalid(volumes=f"A {flavor.kind} server has no volumes: give one image or app template to install")


def _check_flavor_fits(flavor: Flavor, boot: ResolvedDisk | None) -> None:
    """Raise Invalid if the boot disk cannot boot on the flavor."""
    if boot is not None and (reason := boot_misfit_reason(flavor, boot.image, boot.app_template)):
        raise invalid(flavor=reason)


def _new_instance(  # noqa: PLR0913, PLR0917  # a record is made of all of them
    order: InstanceOrder, sources: ResolvedOrder, image: Image | None, name: str, ctx: Context, task_id: str
) -> Instance:
    now, flavor = ctx.now(), sources.flavor
    return Instance(
        id=ctx.new_id(),
        **asdict(ctx.place),
        name=name,
        kind=flavor.kind.value,
        flavor_id=flavor.id,
        task_state="scheduling",
        task_id=task_id,
        creator_task_id=task_id,
        ssh_key_id=require_allowed_ssh_key(sources.ssh_key_id, image),
        placement_group_id=order.placement_group_id,
        boot=_first_boot(order, is_windows=(image.os_type if image else flavor.os_type) == "windows"),
        created_at=now,
        changed_at=now,
    )


def require_allowed_ssh_key(ssh_key_id: str | None, image: Image | None) -> str | None:
    """Return the SSH key id if the image allows it, or None if the image needs no key. Raises Invalid."""
    rule = image.ssh_key if image else None
    if rule == "required" and ssh_key_id is None:
        raise invalid(ssh_key_name="Field required")
    if rule == "deny" and ssh_key_id is not None:
        raise invalid(ssh_key_name=f"Image {image.name if image else ''} takes no SSH key")
    return ssh_key_id


def _first_boot(order: InstanceOrder, *, is_windows: bool) -> FirstBootData:
    """Return the first-boot data. On Linux a password replaces the user data. Raises Invalid."""
    if is_windows and order.username:
        raise invalid(username="A Windows instance has no username: the password is that of the user Admin")
    if order.username and not order.password:
        raise invalid(password="Field required")  # noqa: S106  # an error text
    check_password(order.password or "")
    user_data = None if order.password and not is_windows else order.user_data or None
    return FirstBootData(
        user_data=require_valid_user_data(user_data), username=order.username or None, password=order.password or None
    )


def check_password(password: str) -> None:
    """Raises Invalid for a password that a guest could not check."""
    if len(password.encode()) > PASSWORD.value:
        raise invalid(password=f"Input should have at most {PASSWORD.value} bytes")
    if "\0" in password:
        raise invalid(password="Input should have no NUL character")  # noqa: S106  # an error text


def image_system_tags(image: Image) -> dict[str, str]:
    """Return the system tags that describe an instance's image."""
    tags = {"image_id": image.id, "image_name": image.name}
    return tags | {"os_distro": image.os_distro, "os_type": image.os_type, "os_version": image.os_version}


def _system_tags(boot: ResolvedDisk | None, task_id: str) -> dict[str, str]:
    tags = {"task_id": task_id}
    if boot is not None and boot.image is not None:
        tags |= image_system_tags(boot.image)
    if boot is not None and boot.snapshot is not None:
        tags |= {"snapshot_id": boot.snapshot.id, "snapshot_name": boot.snapshot.name}
    return tags


def _plan_volume(disk: ResolvedDisk, instance_name: str, position: int, ctx: Context, task_id: str) -> Volume:
    if disk.existing is not None:
        attaching = VolumeStatus.ATTACHING.value
        return replace(disk.existing, status=attaching, task_id=task_id, updated_at=ctx.now())
    default_name = f"{instance_name}_bootvolume" if disk.boot_index == 0 else f"{instance_name}_volume{position}"
    return new_volume_from_disk(disk, disk.requested.name or default_name, ctx, task_id)


def _new_attachment(disk: ResolvedDisk, volume: Volume, position: int, plan: InstancePlan, ctx: Context) -> Attachment:
    return Attachment(
        volume_id=volume.id,
        id=ctx.new_id(),
        instance_id=plan.instance.id,
        device=device_name(position),
        boot_index=disk.boot_index,
        delete_on_termination=disk.requested.delete_on_termination,
        attachment_tag=disk.requested.attachment_tag,
        attached_at=ctx.now(),
    )


def _volume_tags(disk: ResolvedDisk, sources: VolumeSourceRecords, task_id: str) -> dict[str, Tag]:
    system_tags = make_tags([("task_id", task_id)], read_only=True)
    existing_tags = system_tags if disk.existing is None else sources.tags.get(disk.existing.id, {})
    return merged_tags(existing_tags, validate_tags(disk.requested.tags))
