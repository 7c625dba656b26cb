"""The volumes of a server to be made: what each is made of, and which one the server boots from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.catalogue import image_id
from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.images import Image
from pileus.domain.compute.instance_orders import NewVolume, VolumeSource
from pileus.domain.errors import Conflict, invalid, not_found
from pileus.domain.storage.volume_types import VolumeType
from pileus.domain.storage.volumes import Snapshot, Volume, VolumeStatus
from pileus.domain.tags import Tags

DEFAULT_SIZE = 10
DEFAULT_TYPE = "standard"
NO_BOOT = -1

Thing = TypeVar("Thing")


class OrderSources(Struct, frozen=True, kw_only=True):
    """What the ids of an order led to, by id; `volumes` also holds those that the snapshots were taken of.

    `images` also holds those that the app templates and volumes were made from (`images_behind` says which).
    """

    region_id: int
    volume_types: Mapping[str, VolumeType]
    images: Mapping[str, Image] = field(default_factory=dict)
    snapshots: Mapping[str, Snapshot] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    app_templates: Mapping[str, AppTemplate] = field(default_factory=dict)
    tags: Mapping[str, Tags] = field(default_factory=dict)


class ResolvedDisk(Struct, frozen=True, kw_only=True):
    """A volume as it was ordered, with what it is made of; one that is `existing` is only taken."""

    requested: NewVolume
    size: int
    type_name: str
    bootable: bool = False
    boot_index: int = NO_BOOT
    image: Image | None = None
    snapshot: Snapshot | None = None
    app_template: AppTemplate | None = None
    existing: Volume | None = None


def source_image_ids(volumes: Iterable[Volume], templates: Iterable[AppTemplate], region_id: int) -> list[str]:
    """The ids of the images that volumes and app templates were made from."""
    return [
        *(volume.image_id for volume in volumes if volume.image_id is not None),
        *(image_id(region_id, template.image_name) for template in templates),
    ]


def resolve_disk(requested: NewVolume, flavor: Flavor | None, sources: OrderSources) -> ResolvedDisk:
    """Find out what an ordered volume is made of, for a server of a flavor or for itself.

    Raises NotFound, Invalid or Conflict.
    """
    disk = RESOLVERS[requested.source](requested, flavor, sources)
    if disk.existing is None:
        _fits_type(disk, sources)
    return disk


def with_boot_order(disks: Sequence[ResolvedDisk]) -> list[ResolvedDisk]:
    """Settle the boot order, the boot disk first: that with index 0, else the first that can boot and is silent."""
    _once("boot_index", [index for d in disks if (index := d.requested.boot_index) is not None and index >= 0])
    _once("attachment_tag", [d.requested.attachment_tag for d in disks if d.requested.attachment_tag is not None])
    _once("volume_id", [d.existing.id for d in disks if d.existing is not None])
    chosen = None if any(d.requested.boot_index == 0 for d in disks) else _first_silent(disks)
    indexed = [replace(disk, boot_index=0 if disk is chosen else _index(disk)) for disk in disks]
    return sorted(indexed, key=lambda disk: disk.boot_index != 0)


def boot_disk(disks: Iterable[ResolvedDisk]) -> ResolvedDisk | None:
    """The disk that is tried first."""
    return min((d for d in disks if d.boot_index >= 0), key=lambda disk: disk.boot_index, default=None)


def _first_silent(disks: Sequence[ResolvedDisk]) -> ResolvedDisk | None:
    return next((disk for disk in disks if disk.bootable and disk.requested.boot_index is None), None)


def _index(disk: ResolvedDisk) -> int:
    index = disk.requested.boot_index
    if index is None or index < 0:
        return NO_BOOT
    if not disk.bootable:
        raise invalid(boot_index=f"The volume whose source is {disk.requested.source} is not bootable")
    return index


def _once(name: str, values: Sequence[object]) -> None:
    if len(set(values)) < len(values):
        raise invalid(**{name: "Each volume needs a value of its own"})


def _from_nothing(ordered: NewVolume, _flavor: Flavor | None, _found: OrderSources) -> ResolvedDisk:
    if ordered.size is None:
        raise invalid(size="Field required")
    return ResolvedDisk(requested=ordered, size=ordered.size, type_name=ordered.type_name or DEFAULT_TYPE)


def _from_image(ordered: NewVolume, flavor: Flavor | None, found: OrderSources) -> ResolvedDisk:
    image = _usable_image(ordered.source_id, found)
    return ResolvedDisk(
        requested=ordered,
        size=_size(ordered, flavor, image.min_disk),
        type_name=ordered.type_name or DEFAULT_TYPE,
        bootable=True,
        image=image,
    )


def _from_app_template(ordered: NewVolume, flavor: Flavor | None, found: OrderSources) -> ResolvedDisk:
    template = _the("App template", found.app_templates, ordered.source_id)
    if template.region_id not in (None, found.region_id):
        raise not_found("App template", template.id)
    image = _usable_image(image_id(found.region_id, template.image_name), found)
    return ResolvedDisk(
        requested=ordered,
        size=_size(ordered, flavor, max(image.min_disk, template.min_disk)),
        type_name=ordered.type_name or DEFAULT_TYPE,
        bootable=True,
        image=image,
        app_template=template,
    )


def _from_snapshot(ordered: NewVolume, _flavor: Flavor | None, found: OrderSources) -> ResolvedDisk:
    snapshot = _the("Snapshot", found.snapshots, ordered.source_id)
    if snapshot.status != "available":
        raise Conflict(f"Snapshot {snapshot.id} is {snapshot.status}")
    origin = found.volumes.get(snapshot.volume_id)
    type_name = ordered.type_name or (origin.type_name if origin else DEFAULT_TYPE)
    if type_name in found.volume_types and not found.volume_types[type_name].snapshots:
        raise invalid(type_name=f"A volume of type {type_name} cannot be made from a snapshot")
    return ResolvedDisk(
        requested=ordered,
        size=_at_least(snapshot.size, ordered.size or snapshot.size),
        type_name=type_name,
        bootable=origin is not None and origin.bootable,
        image=found.images.get(origin.image_id) if origin and origin.image_id else None,
        snapshot=snapshot,
    )


def _from_volume(ordered: NewVolume, _flavor: Flavor | None, found: OrderSources) -> ResolvedDisk:
    volume = _the("Volume", found.volumes, ordered.source_id)
    if volume.task_id is not None:
        raise Conflict(f"Volume {volume.id} is locked by task {volume.task_id}: try again when the task has finished")
    if volume.status != VolumeStatus.AVAILABLE:
        raise Conflict(f"Volume {volume.id} is {volume.status}: only one that is available can be attached")
    return ResolvedDisk(
        requested=ordered,
        size=volume.size,
        type_name=volume.type_name,
        bootable=volume.bootable,
        image=found.images.get(volume.image_id) if volume.image_id else None,
        existing=volume,
    )


RESOLVERS: Mapping[VolumeSource, Callable[[NewVolume, Flavor | None, OrderSources], ResolvedDisk]] = {
    VolumeSource.NEW: _from_nothing,
    VolumeSource.IMAGE: _from_image,
    VolumeSource.SNAPSHOT: _from_snapshot,
    VolumeSource.APPTEMPLATE: _from_app_template,
    VolumeSource.EXISTING: _from_volume,
}


def _the(noun: str, things: Mapping[str, Thing], identity: str | None) -> Thing:
    if identity is None or identity not in things:
        raise not_found(noun, identity)
    return things[identity]


def _usable_image(identity: str | None, found: OrderSources) -> Image:
    image = _the("Image", found.images, identity)
    if image.status != "active":
        raise Conflict(f"Image {image.id} is {image.status}")
    return image


def _size(ordered: NewVolume, flavor: Flavor | None, minimum: int) -> int:
    """A shared flavor brings its own size; else it is as ordered, or by default what the image needs."""
    if flavor and flavor.is_basic and flavor.disk is not None:
        return _at_least(minimum, flavor.disk)
    return _at_least(minimum, ordered.size or max(minimum, DEFAULT_SIZE))


def _at_least(minimum: int, size: int) -> int:
    if size < minimum:
        raise invalid(size=f"Input should be greater than or equal to {minimum}")
    return size


def _fits_type(disk: ResolvedDisk, found: OrderSources) -> None:
    volume_type = found.volume_types.get(disk.type_name)
    if volume_type is None:
        raise invalid(type_name=f"There is no volume type {disk.type_name} in this region")
    _at_least(volume_type.min_size, disk.size)
    if disk.size > volume_type.max_size:
        raise invalid(size=f"Input should be less than or equal to {volume_type.max_size}")
