"""Volumes, how they hang on instances, and their snapshots: the records, their states, and what may be done when.

A verb that takes time holds the record by its task and gives it a status of its own meanwhile; `standing` lets it go.
Sizes are in GiB.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar, TypedDict

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Conflict, Invalid, invalid
from pileus.domain.locks import Lockable
from pileus.domain.places import Place
from pileus.domain.storage.volume_types import VolumeType


class VolumeStatus(StrEnum):
    """The statuses that a volume passes through here."""

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
    """The statuses that a snapshot passes through here."""

    CREATING = "creating"
    AVAILABLE = "available"
    RESTORING = "restoring"
    DELETING = "deleting"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"


FREE_STATUSES = frozenset({VolumeStatus.AVAILABLE})
USABLE_STATUSES = FREE_STATUSES | {VolumeStatus.IN_USE}
DELETABLE_STATUSES = FREE_STATUSES | {VolumeStatus.ERROR, VolumeStatus.ERROR_DELETING}
DELETABLE_SNAPSHOT_STATUSES = frozenset({SnapshotStatus.AVAILABLE, SnapshotStatus.ERROR, SnapshotStatus.ERROR_DELETING})
RETYPABLE_TYPES = ("ssd_hiiops", "standard")


class VolumePatch(TypedDict, total=False):
    """A merge patch of a volume or a snapshot: a key that is absent is left alone."""

    name: str
    tags: Mapping[str, str | None] | None


class Volume(Lockable, frozen=True, kw_only=True):
    """A block device of `size` GiB; `image_id` is the image on it, also where it came through a snapshot."""

    NOUN: ClassVar[str] = "Volume"

    client_id: int
    project_id: int
    region_id: int
    name: str
    size: int
    type_name: str = "standard"
    status: str = VolumeStatus.CREATING
    bootable: bool = False
    image_id: str | None = None
    snapshot_id: str | None = None
    apptemplate_id: str | None = None
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1

    @property
    def place(self) -> Place:
        """Whose it is and where."""
        return Place(self.client_id, self.project_id, self.region_id)

    def patched(self, patch: VolumePatch, now: int) -> "Volume":
        """Apply the record's part of a merge patch (`tags.merged` does the other); raises Conflict while locked."""
        self.require_unlocked()
        return replace(self, name=patch["name"], updated_at=now) if "name" in patch else self

    def with_status(self, status: VolumeStatus, now: int) -> "Volume":
        """Take a status in which no task holds it."""
        return replace(self, status=status.value, task_id=None, updated_at=now)

    def attaching(self, task_id: str, now: int) -> "Volume":
        """Be hung on an instance; raises Conflict unless it is free."""
        return self._entering("attach", FREE_STATUSES, VolumeStatus.ATTACHING, task_id, now)

    def detaching(self, attachment: "Attachment | None", instance_id: str, task_id: str, now: int) -> "Volume":
        """Be taken off an instance; raises Conflict where it does not hang, or if the instance boots from it."""
        if attachment is None or attachment.instance_id != instance_id:
            raise Conflict(f"Volume {self.id} is not attached to instance {instance_id}")
        if attachment.boot_index == 0:
            raise Conflict(f"Volume {self.id} is the boot volume of instance {instance_id}: it cannot be detached")
        return self._entering("detach", frozenset({VolumeStatus.IN_USE}), VolumeStatus.DETACHING, task_id, now)

    def extending(self, size: int, volume_type: VolumeType | None, task_id: str, now: int) -> "Volume":
        """Grow, in use or not; raises Invalid for a size that is not larger, or larger than its type allows.

        The new size counts from now on, so that a quota cannot be given away twice.
        """
        if volume_type is not None and not volume_type.resizable:
            raise Conflict(f"Volume {self.id} cannot be extended: those of type {self.type_name} keep their size")
        held = self._entering("extend", USABLE_STATUSES, VolumeStatus.EXTENDING, task_id, now)
        if size <= self.size:
            raise invalid(size=f"Input should be greater than {self.size}")
        return replace(held, size=require_allowed_size(size, volume_type))

    def retyping(
        self, volume_type: VolumeType | None, name: str, snapshots: Sequence["Snapshot"], task_id: str, now: int
    ) -> "Volume":
        """Be turned into another type; raises Conflict if it has snapshots, or is of a type that stays what it is."""
        if self.type_name not in RETYPABLE_TYPES:
            raise Conflict(f"Volume {self.id} cannot be retyped: it is of type {self.type_name}")
        if volume_type is None:
            raise invalid(volume_type=f"There is no volume type {name} in this region")
        if snapshots:
            raise Conflict(f"Volume {self.id} cannot be retyped: it has snapshots")
        require_allowed_size(self.size, volume_type)
        return self._entering("retype", USABLE_STATUSES, VolumeStatus.RETYPING, task_id, now)

    def reverting(self, snapshots: Iterable["Snapshot"], task_id: str, now: int) -> tuple["Volume", "Snapshot"]:
        """Go back to its last snapshot; raises Conflict if there is none, or if it has grown since."""
        held = self._entering("revert", FREE_STATUSES, VolumeStatus.REVERTING, task_id, now)
        last = max(snapshots, key=_age, default=None)
        if last is None:
            raise Conflict(f"Volume {self.id} cannot be reverted: it has no snapshots")
        if last.size != self.size:
            raise Conflict(f"Volume {self.id} cannot be reverted: it was {last.size} GiB when the snapshot was taken")
        return held, last.restoring(task_id, now)

    def deleting(self, task_id: str, now: int) -> "Volume":
        """Go away; raises Conflict unless it is free, or has failed."""
        return self._entering("delete", DELETABLE_STATUSES, VolumeStatus.DELETING, task_id, now)

    def require_snapshottable(self) -> "Volume":
        """Itself if a snapshot can be taken of it; raises Conflict."""
        if self.require_unlocked().status not in USABLE_STATUSES:
            raise Conflict(f"Cannot take a snapshot of volume {self.id} in status {self.status}")
        return self

    def uploading(self, task_id: str, now: int) -> "Volume":
        """Be copied into an image, in use or not; raises Conflict if nothing can boot from it."""
        held = self._entering("make an image of", USABLE_STATUSES, VolumeStatus.UPLOADING, task_id, now)
        if not self.bootable:
            raise Conflict(f"Volume {self.id} is not bootable: no image can be made of it")
        return held

    def _entering(
        self, verb: str, allowed: frozenset[VolumeStatus], meanwhile: VolumeStatus, task_id: str, now: int
    ) -> "Volume":
        if self.require_unlocked().status not in allowed:
            raise Conflict(f"Cannot {verb} volume {self.id} in status {self.status}")
        return replace(self, status=meanwhile.value, task_id=task_id, updated_at=now)


class Attachment(Struct, frozen=True, kw_only=True):
    """A volume's place on an instance; a negative `boot_index` never boots."""

    volume_id: str
    id: str
    instance_id: str
    device: str
    boot_index: int = -1
    delete_on_termination: bool = False
    attachment_tag: str | None = None
    attached_at: int


class Snapshot(Lockable, frozen=True, kw_only=True):
    """A volume as it was at a moment.

    `schedule_id` and `lifecycle_policy_id` say what took it, if nobody asked; it is deleted at `expires_at`.
    """

    NOUN: ClassVar[str] = "Snapshot"

    client_id: int
    project_id: int
    region_id: int
    volume_id: str
    name: str
    description: str | None = None
    size: int
    status: str = "available"
    schedule_id: str | None = None
    lifecycle_policy_id: int | None = None
    expires_at: int | None = None
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1

    @classmethod
    def of(  # noqa: PLR0913  # each is a fact of its own
        cls, volume: Volume, snapshot_id: str, name: str, task_id: str, now: int, *, description: str | None = None
    ) -> "Snapshot":
        """One that a task is to take of a volume."""
        return cls(
            id=snapshot_id,
            client_id=volume.client_id,
            project_id=volume.project_id,
            region_id=volume.region_id,
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

    @property
    def place(self) -> Place:
        """Whose it is and where."""
        return Place(self.client_id, self.project_id, self.region_id)

    def patched(self, patch: VolumePatch, now: int) -> "Snapshot":
        """Apply the record's part of a merge patch; raises Conflict while locked."""
        self.require_unlocked()
        return replace(self, name=patch["name"], updated_at=now) if "name" in patch else self

    def with_status(self, status: SnapshotStatus, now: int) -> "Snapshot":
        """Take a status in which no task holds it."""
        return replace(self, status=status.value, task_id=None, updated_at=now)

    def restoring(self, task_id: str, now: int) -> "Snapshot":
        """Give its content back to its volume; raises Conflict unless it is whole."""
        if self.require_unlocked().status != SnapshotStatus.AVAILABLE:
            raise Conflict(f"Snapshot {self.id} is {self.status}")
        return replace(self, status=SnapshotStatus.RESTORING.value, task_id=task_id, updated_at=now)

    def deleting(self, task_id: str, now: int) -> "Snapshot":
        """Go away; raises Conflict where that is not possible now."""
        if self.require_unlocked().status not in DELETABLE_SNAPSHOT_STATUSES:
            raise Conflict(f"Cannot delete snapshot {self.id} in status {self.status}")
        return replace(self, status=SnapshotStatus.DELETING.value, task_id=task_id, updated_at=now)


def device_name(position: int) -> str:
    """Name the block device at a position: /dev/vda, …, /dev/vdz, /dev/vdaa."""
    letters = ""
    position += 1
    while position:
        position, letter = divmod(position - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"/dev/vd{letters}"


def require_allowed_size(size: int, volume_type: VolumeType | None) -> int:
    """The size itself if a type of volumes (unless it has left the catalogue) allows it; raises Invalid."""
    if volume_type is not None and size > volume_type.max_size:
        raise invalid(size=f"Input should be less than or equal to {volume_type.max_size}")
    if volume_type is not None and size < volume_type.min_size:
        raise invalid(size=f"Input should be greater than or equal to {volume_type.min_size}")
    return size


def snapshots_to_delete(
    snapshots: Sequence[Snapshot], requested_ids: Iterable[str], task_id: str, now: int
) -> list[Snapshot]:
    """All the snapshots of a volume that is deleted, held by its task; raises Invalid for a name that is not theirs."""
    known = {snapshot.id for snapshot in snapshots}
    strangers = [identity for identity in requested_ids if identity not in known]
    if strangers:
        fields = {"snapshots": [f"Snapshot {identity} is not one of this volume" for identity in strangers]}
        raise Invalid(f"Validation Error: {fields}", fields)
    return [snapshot.deleting(task_id, now) for snapshot in snapshots]


def _age(snapshot: Snapshot) -> tuple[int, str]:
    return snapshot.created_at, snapshot.id
