"""Volumes, attachments and snapshots: the records, their states and transitions.

A long operation locks the record for its task and sets a transitional status; `unlocked_with_status` ends both.
Sizes are in GiB.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import ClassVar, Self

from msgspec import Struct
from msgspec.structs import asdict, replace

from pileus.domain.errors import Conflict, Invalid, NotFound, invalid
from pileus.domain.patches import ResourcePatch
from pileus.domain.resources import TenantResource
from pileus.domain.storage.volume_types import VolumeType


class VolumeStatus(StrEnum):
    """The statuses of a volume."""

    CREATING = "creating"
    AVAILABLE = "available"
    RESERVED = "reserved"
    ATTACHING = "attaching"
    IN_USE = "in-use"
    DETACHING = "detaching"
    EXTENDING = "extending"
    RETYPING = "retyping"
    REVERTING = "reverting"
    UPLOADING = "uploading"
    DELETING = "deleting"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"


class SnapshotStatus(StrEnum):
    """The statuses of a snapshot."""

    CREATING = "creating"
    AVAILABLE = "available"
    RESTORING = "restoring"
    DELETING = "deleting"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"


FREE_STATUSES = frozenset({VolumeStatus.AVAILABLE})
USABLE_STATUSES = FREE_STATUSES | {VolumeStatus.IN_USE}
FAILED_STATUSES = frozenset({VolumeStatus.ERROR, VolumeStatus.ERROR_DELETING})
DELETABLE_STATUSES = FREE_STATUSES | FAILED_STATUSES
DELETABLE_SNAPSHOT_STATUSES = frozenset({SnapshotStatus.AVAILABLE, SnapshotStatus.ERROR, SnapshotStatus.ERROR_DELETING})
RETYPABLE_TYPES = ("ssd_hiiops", "standard")


class StorageResource(TenantResource, frozen=True, kw_only=True):
    """The fields and transitions that volumes and snapshots share."""

    name: str
    creator_task_id: str | None = None
    updated_at: int

    def patched(self, patch: ResourcePatch, now: int) -> Self:
        """Apply a merge patch, except for its tags. Raises Conflict while a task has locked the resource."""
        self.require_unlocked()
        return replace(self, name=patch["name"], updated_at=now) if "name" in patch else self

    def unlocked_with_status(self, status: VolumeStatus | SnapshotStatus, now: int) -> Self:
        """Set a status and unlock the resource."""
        return replace(self, status=status.value, task_id=None, updated_at=now)


class Volume(StorageResource, frozen=True, kw_only=True):
    """A block device of `size` GiB; `image_id` is its image, also if it was created from a snapshot."""

    NOUN: ClassVar[str] = "Volume"

    id: str
    size: int
    type_name: str = "standard"
    status: str = VolumeStatus.CREATING
    bootable: bool = False
    image_id: str | None = None
    snapshot_id: str | None = None
    apptemplate_id: str | None = None

    def attaching(self, task_id: str, now: int) -> "Volume":
        """Start to attach it to an instance. Raises Conflict unless it is available."""
        return self._in_transition("attach", FREE_STATUSES, VolumeStatus.ATTACHING, task_id, now)

    def detaching(self, attachment: "Attachment | None", instance_id: str, task_id: str, now: int) -> "Volume":
        """Start to detach it. Raises NotFound if it is not attached there, Invalid if it is the boot volume."""
        self.require_unlocked()
        if attachment is None or attachment.instance_id != instance_id:
            raise NotFound(f"Volume {self.id} is not attached to instance {instance_id}")
        if attachment.boot_index == 0:
            raise Invalid(f"Volume {self.id} is the boot volume of instance {instance_id}: it cannot be detached")
        return self._in_transition("detach", frozenset({VolumeStatus.IN_USE}), VolumeStatus.DETACHING, task_id, now)

    def extending(self, size: int, volume_type: VolumeType | None, task_id: str, now: int) -> "Volume":
        """Start to extend it, in use or not. Raises Invalid for a size that is not larger or exceeds the limit.

        The new size counts at once, so that quota cannot be assigned twice.
        """
        if volume_type is not None and not volume_type.resizable:
            raise Invalid(f"Volume {self.id} cannot be extended: those of type {self.type_name} keep their size")
        extending = self._in_transition("extend", USABLE_STATUSES, VolumeStatus.EXTENDING, task_id, now)
        if size <= self.size:
            raise invalid(size=f"Input should be greater than {self.size}")
        return replace(extending, size=require_allowed_volume_size(size, volume_type))

    def retyping(
        self, volume_type: VolumeType | None, name: str, snapshots: Sequence["Snapshot"], task_id: str, now: int
    ) -> "Volume":
        """Start to change its type. Raises Conflict if it has snapshots, Invalid if its type cannot be changed."""
        if self.type_name not in RETYPABLE_TYPES:
            raise Invalid(f"Volume {self.id} cannot be retyped: it is of type {self.type_name}")
        if volume_type is None:
            raise invalid(volume_type=f"There is no volume type {name} in this region")
        if snapshots:
            raise Conflict(f"Volume {self.id} cannot be retyped: it has snapshots")
        require_allowed_volume_size(self.size, volume_type)
        return self._in_transition("retype", USABLE_STATUSES, VolumeStatus.RETYPING, task_id, now)

    def reverting(self, snapshots: Iterable["Snapshot"], task_id: str, now: int) -> tuple["Volume", "Snapshot"]:
        """Start to revert it to its last snapshot. Raises Invalid if there is none or the volume has grown since."""
        reverting = self._in_transition("revert", FREE_STATUSES, VolumeStatus.REVERTING, task_id, now)
        last = max(snapshots, key=_age_key, default=None)
        if last is None:
            raise Invalid(f"Volume {self.id} cannot be reverted: it has no snapshots")
        if last.size != self.size:
            raise Invalid(f"Volume {self.id} cannot be reverted: it was {last.size} GiB when the snapshot was taken")
        return reverting, last.restoring(task_id, now)

    def deleting(self, task_id: str, now: int) -> "Volume":
        """Start the deletion. Raises Conflict unless it is available or has failed."""
        return self._in_transition("delete", DELETABLE_STATUSES, VolumeStatus.DELETING, task_id, now)

    def require_snapshottable(self) -> "Volume":
        """Return the volume if a snapshot can be taken of it. Raises Conflict."""
        if self.require_unlocked().status not in USABLE_STATUSES:
            raise Conflict(f"Cannot take a snapshot of volume {self.id} in status {self.status}")
        return self

    def uploading_as_image(self, task_id: str, now: int) -> "Volume":
        """Start to create an image from it, in use or not. Raises Invalid if it is not bootable."""
        uploading = self._in_transition("make an image of", USABLE_STATUSES, VolumeStatus.UPLOADING, task_id, now)
        if not self.bootable:
            raise Invalid(f"Volume {self.id} is not bootable: no image can be created from it")
        return uploading

    def _in_transition(
        self, verb: str, allowed_statuses: frozenset[VolumeStatus], interim_status: VolumeStatus, task_id: str, now: int
    ) -> "Volume":
        if self.require_unlocked().status not in allowed_statuses:
            raise Conflict(f"Cannot {verb} volume {self.id} in status {self.status}")
        return replace(self, status=interim_status.value, task_id=task_id, updated_at=now)


class Attachment(Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """The attachment of a volume to an instance. A negative `boot_index` never boots."""

    volume_id: str
    id: str
    instance_id: str
    device: str
    boot_index: int = -1
    delete_on_termination: bool = False
    attachment_tag: str | None = None
    attached_at: int


class Snapshot(StorageResource, frozen=True, kw_only=True):
    """The state of a volume at a moment.

    `schedule_id` and `lifecycle_policy_id` are set if a schedule took it; it is deleted at `expires_at`.
    """

    NOUN: ClassVar[str] = "Snapshot"

    id: str
    volume_id: str
    description: str | None = None
    size: int
    status: str = "available"
    schedule_id: str | None = None
    lifecycle_policy_id: int | None = None
    expires_at: int | None = None

    def restoring(self, task_id: str, now: int) -> "Snapshot":
        """Start to revert its volume to it. Raises Conflict unless it is available."""
        if self.require_unlocked().status != SnapshotStatus.AVAILABLE:
            raise Conflict(f"Snapshot {self.id} is {self.status}")
        return replace(self, status=SnapshotStatus.RESTORING.value, task_id=task_id, updated_at=now)

    def deleting(self, task_id: str, now: int) -> "Snapshot":
        """Start the deletion. Raises Conflict if the status does not allow it."""
        if self.require_unlocked().status not in DELETABLE_SNAPSHOT_STATUSES:
            raise Conflict(f"Cannot delete snapshot {self.id} in status {self.status}")
        return replace(self, status=SnapshotStatus.DELETING.value, task_id=task_id, updated_at=now)


def new_snapshot(  # noqa: PLR0913  # the fields of the record
    volume: Volume, snapshot_id: str, name: str, task_id: str, now: int, *, description: str | None = None
) -> Snapshot:
    """Create the record of a snapshot that a task takes of a volume."""
    return Snapshot(
        id=snapshot_id,
        **asdict(volume.place),
        volume_id=volume.id,
        name=name,
        description=description,
        size=volume.size,
        status=SnapshotStatus.CREATING.value,
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )


def device_name(position: int) -> str:
    """Return the name of the block device at a position: /dev/vda, …, /dev/vdz, /dev/vdaa."""
    letters = ""
    position += 1
    while position:
        position, letter = divmod(position - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"/dev/vd{letters}"


def require_allowed_volume_size(size: int, volume_type: VolumeType | None) -> int:
    """Return the size if the volume type allows it. Raises Invalid. None is a type that has left the catalogue."""
    if volume_type is not None and size > volume_type.max_size:
        raise invalid(size=f"Input should be less than or equal to {volume_type.max_size}")
    if volume_type is not None and size < volume_type.min_size:
        raise invalid(size=f"Input should be greater than or equal to {volume_type.min_size}")
    return size


def _age_key(snapshot: Snapshot) -> tuple[int, str]:
    return snapshot.created_at, snapshot.id
