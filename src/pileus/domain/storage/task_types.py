"""Task types on volumes, snapshots and file shares, and their arguments."""

from msgspec import Struct

from pileus.domain.storage.file_shares import FileSharePatch
from pileus.domain.tasks import SlotClass, TaskType


class VolumeTaskArgs(Struct, frozen=True, kw_only=True):
    """A volume."""

    volume_id: str


class CreateVolumeArgs(VolumeTaskArgs, frozen=True, kw_only=True):
    """A volume, and the instance that it is attached to, if any."""

    instance_id: str | None = None


class AttachOrDetachVolumeArgs(VolumeTaskArgs, frozen=True, kw_only=True):
    """A volume and the instance that it is attached to or detached from."""

    instance_id: str


class ExtendVolumeArgs(VolumeTaskArgs, frozen=True, kw_only=True):
    """A volume and its size in GiB before the task."""

    size: int


class RetypeVolumeArgs(VolumeTaskArgs, frozen=True, kw_only=True):
    """A volume, its type before the task, and the type that it is changed to."""

    before: str
    volume_type: str


class RevertVolumeArgs(VolumeTaskArgs, frozen=True, kw_only=True):
    """A volume and its latest snapshot."""

    snapshot_id: str


class SnapshotTaskArgs(Struct, frozen=True, kw_only=True):
    """A snapshot."""

    snapshot_id: str


class CreateSnapshotArgs(SnapshotTaskArgs, frozen=True, kw_only=True):
    """A snapshot of a volume, and the schedule that started it, if one did."""

    volume_id: str
    schedule_id: str | None = None
    lifecycle_policy_id: int | None = None


class DeleteSnapshotArgs(SnapshotTaskArgs, frozen=True, kw_only=True):
    """A snapshot, and the schedule whose retention time has passed, if that started the task."""

    schedule_id: str | None = None
    lifecycle_policy_id: int | None = None


class FileShareTaskArgs(Struct, frozen=True, kw_only=True):
    """A file share."""

    file_share_id: str


class UpdateFileShareArgs(FileShareTaskArgs, frozen=True, kw_only=True):
    """A file share and the changes to it."""

    patch: FileSharePatch


class ExtendFileShareArgs(FileShareTaskArgs, frozen=True, kw_only=True):
    """A file share and its size in GiB before the task."""

    size: int


CREATE_VOLUME = TaskType("create_volume", CreateVolumeArgs)
DELETE_VOLUME = TaskType("delete_volume", VolumeTaskArgs)
ATTACH_VOLUME = TaskType("attach_volume", AttachOrDetachVolumeArgs)
DETACH_VOLUME = TaskType("detach_volume", AttachOrDetachVolumeArgs)
EXTEND_VOLUME = TaskType("extend_volume", ExtendVolumeArgs)
RETYPE_VOLUME = TaskType("retype_volume", RetypeVolumeArgs)
REVERT_VOLUME = TaskType("revert_volume", RevertVolumeArgs, SlotClass.SLOW)
CREATE_SNAPSHOT = TaskType("create_snapshot", CreateSnapshotArgs, SlotClass.SLOW)
DELETE_SNAPSHOT = TaskType("delete_snapshot", DeleteSnapshotArgs)
CREATE_FILE_SHARE = TaskType("create_sfs", FileShareTaskArgs)
UPDATE_FILE_SHARE = TaskType("update_sfs", UpdateFileShareArgs)
EXTEND_FILE_SHARE = TaskType("extend_sfs", ExtendFileShareArgs)
DELETE_FILE_SHARE = TaskType("delete_sfs", FileShareTaskArgs)
