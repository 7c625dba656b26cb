"""The volumes of a new instance: their sources and the boot order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.catalogue import derive_public_image_id
from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.images import Image
from pileus.domain.compute.instance_orders import NewVolume, VolumeSource
from pileus.domain.errors import Conflict, invalid, nest_field_errors, not_found
from pileus.domain.storage.volume_types import VolumeType
from pileus.domain.storage.volumes import Snapshot, Volume, VolumeStatus
from pileus.domain.tags import Tags

DEFAULT_SIZE = 10
DEFAULT_TYPE = "standard"
NO_BOOT = -1

Record = TypeVar("Record")


class VolumeSourceRecords(Struct, frozen=True, kw_only=True):
    """The records that an order refers to, by id; `volumes` also has the volumes of the snapshots.

    `images` also has the images of the app templates and volumes.
    """

    region_id: int
    volume_types: Mapping[str, VolumeType]
    images: Mapping[str, Image] = field(default_factory=dict)
    snapshots: Mapping[str, Snapshot] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    app_templates: Mapping[str, AppTemplate] = field(default_factory=dict)
    tags: Mapping[str, Tags] = field(default_factory=dict)


class ResolvedDisk(Struct, frozen=True, kw_only=True):
    """A requested volume with its source. An `existing` volume is only attached, if it is available."""

    requested: NewVolume
    size: int
    type_name: str
    bootable: bool = False
    boot_index: int = NO_BOOT
    image: Image | None = None
    snapshot: Snapshot | None = None
    app_template: AppTemplate | None = None
    existing: Volume | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it is a new volume, or an existing one that can be attached now."""
        return self.existing is None or self.existing.status == VolumeStatus.AVAILABLE


def resolve_disk(requested: NewVolume, flavor: Flavor | None, sources: VolumeSourceRecords) -> ResolvedDisk:
    """Resolve the source of a requested volume, for a server of a flavor or without a server.

    Raises NotFound, Invalid or Conflict.
    """
    disk = RESOLVERS[requested.source](requested, flavor, sources)
    if disk.existing is None:
        _check_volume_type(disk, sources)
    return disk


def with_assigned_boot_order(disks: Sequence[ResolvedDisk]) -> list[ResolvedDisk]:
    """Assign the boot order, boot disk first: that with index 0, or the first bootable one without an index.

    Only the disk with index 0 must be bootable. Others with an index keep their order, without duplicates.
    """
    _check_unique("boot_index", [0 for disk in disks if disk.requested.boot_index == 0])
    _check_unique(
        "attachment_tag", [d.requested.attachment_tag for d in disks if d.requested.attachment_tag is not None]
    )
    _check_unique("volume_id", [d.existing.id for d in disks if d.existing is not None])
    default_boot = None if any(d.requested.boot_index == 0 for d in disks) else _first_without_boot_index(disks)
    indexed = []
    for position, disk in enumerate(disks):
        with nest_field_errors("volumes", position):
            indexed.append(replace(disk, boot_index=0 if disk is default_boot else _boot_index(disk)))
    return sorted(_with_distinct_boot_indexes(indexed), key=lambda disk: disk.boot_index != 0)


def find_boot_disk(disks: Iterable[ResolvedDisk]) -> ResolvedDisk | None:
    """Return the first bootable disk in the boot order, or None."""
    candidates = [disk for disk in disks if disk.boot_index >= 0 and disk.bootable]
    return min(candidates, key=lambda disk: disk.boot_index, default=None)


def _first_without_boot_index(disks: Sequence[ResolvedDisk]) -> ResolvedDisk | None:
    return next((disk for disk in disks if disk.bootable and disk.requested.boot_index is None), None)


def _boot_index(disk: ResolvedDisk) -> int:
    index = disk.requested.boot_index
    if index is None or index < 0:
        return NO_BOOT
    if index == 0 and not disk.bootable:
        raise invalid(boot_index=f"The volume whose source is {disk.requested.source} is not bootable")
    return index


def _with_distinct_boot_indexes(disks: Sequence[ResolvedDisk]) -> list[ResolvedDisk]:
    """Return the disks with larger boot indexes in place of duplicates; drivers need distinct ones."""
    distinct, last = list(disks), NO_BOOT
    for position in sorted(range(len(disks)), key=lambda position: disks[position].boot_index):
        if disks[position].boot_index != NO_BOOT:
            last = max(last + 1, disks[position].boot_index)
            distinct[position] = replace(disks[position], boot_index=last)
    return distinct


def _check_unique(name: str, values: Sequence[object]) -> None:
    if len(set(values)) < len(values):
        raise invalid(volumes=f"Values of {name} must be unique")


def _resolve_new(requested: NewVolume, _flavor: Flavor | None, _sources: VolumeSourceRecords) -> ResolvedDisk:
    if requested.size is None:
        raise invalid(size="Field required")
    return ResolvedDisk(requested=requested, size=requested.size, type_name=requested.type_name or DEFAULT_TYPE)


def _resolve_image(requested: NewVolume, flavor: Flavor | None, sources: VolumeSourceRecords) -> ResolvedDisk:
    image = _require_usable_image(requested.source_id, sources)
    return ResolvedDisk(
        requested=requested,
        size=_choose_size(requested, flavor, image.min_disk),
        type_name=requested.type_name or DEFAULT_TYPE,
        bootable=True,
        image=image,
    )


def _resolve_app_template(requested: NewVolume, flavor: Flavor | None, sources: VolumeSourceRecords) -> ResolvedDisk:
    template = _require("App template", sources.app_templates, requested.source_id)
    if template.region_id not in (None, sources.region_id):
        raise not_found("App template", template.id)
    image = _require_usable_image(derive_public_image_id(sources.region_id, template.image_name), sources)
    return ResolvedDisk(
        requested=requested,
        size=_choose_size(requested, flavor, max(image.min_disk, template.min_disk)),
        type_name=requested.type_name or DEFAULT_TYPE,
        bootable=True,
        image=image,
        app_template=template,
    )


def _resolve_snapshot(requested: NewVolume, _flavor: Flavor | None, sources: VolumeSourceRecords) -> ResolvedDisk:
    snapshot = _require("Snapshot", sources.snapshots, requested.source_id)
    if snapshot.status != "available":
        raise Conflict(f"Snapshot {snapshot.id} is {snapshot.status}")
    origin = sources.volumes.get(snapshot.volume_id)
    type_name = requested.type_name or (origin.type_name if origin else DEFAULT_TYPE)
    if type_name in sources.volume_types and not sources.volume_types[type_name].snapshots:
        raise invalid(type_name=f"A volume of type {type_name} cannot be made from a snapshot")
    return ResolvedDisk(
        requested=requested,
        size=_require_at_least(snapshot.size, requested.size or snapshot.size),
        type_name=type_name,
        bootable=origin is not None and origin.bootable,
        image=sources.images.get(origin.image_id) if origin and origin.image_id else None,
        snapshot=snapshot,
    )


def _resolve_volume(requested: NewVolume, _flavor: Flavor | None, sources: VolumeSourceRecords) -> ResolvedDisk:
    volume = _require("Volume", sources.volumes, requested.source_id).require_unlocked()
    return ResolvedDisk(
        requested=requested,
        size=volume.size,
        type_name=volume.type_name,
        bootable=volume.bootable,
        image=sources.images.get(volume.image_id) if volume.image_id else None,
        existing=volume,
    )


RESOLVERS: Mapping[VolumeSource, Callable[[NewVolume, Flavor | None, VolumeSourceRecords], ResolvedDisk]] = {
    VolumeSource.NEW: _resolve_new,
    VolumeSource.IMAGE: _resolve_image,
    VolumeSource.SNAPSHOT: _resolve_snapshot,
    VolumeSource.APPTEMPLATE: _resolve_app_template,
    VolumeSource.EXISTING: _resolve_volume,
}


def _require(noun: str, records: Mapping[str, Record], record_id: str | None) -> Record:
    if record_id is None or record_id not in records:
        raise not_found(noun, record_id)
    return records[record_id]


def _require_usable_image(requested_id: str | None, sources: VolumeSourceRecords) -> Image:
    image = _require("Image", sources.images, requested_id)
    if image.status != "active":
        raise Conflict(f"Image {image.id} is {image.status}")
    return image


def _choose_size(requested: NewVolume, flavor: Flavor | None, minimum: int) -> int:
    """Return the size of a shared flavor's disk, the requested size, or what the image needs. Raises Invalid."""
    if flavor and flavor.is_shared_vm and flavor.disk is not None:
        return _require_at_least(minimum, flavor.disk)
    return _require_at_least(minimum, requested.size or max(minimum, DEFAULT_SIZE))


def _require_at_least(minimum: int, size: int) -> int:
    if size < minimum:
        raise invalid(size=f"Input should be greater than or equal to {minimum}")
    return size


def _check_volume_type(disk: ResolvedDisk, sources: VolumeSourceRecords) -> None:
    volume_type = sources.volume_types.get(disk.type_name)
    if volume_type is None:
        raise invalid(type_name=f"There is no volume type {disk.type_name} in this region")
    _require_at_least(volume_type.min_size, disk.size)
    if disk.size > volume_type.max_size:
        raise invalid(size=f"Input should be less than or equal to {volume_type.max_size}")
