"""Volumes, how they hang on instances, and their snapshots; sizes in GiB."""

from enum import StrEnum

from msgspec import Struct


class VolumeStatus(StrEnum):
    """The statuses that a volume passes through here."""

    CREATING = "creating"
    AVAILABLE = "available"
    RESERVED = "reserved"
    ATTACHING = "attaching"
    IN_USE = "in-use"
    DETACHING = "detaching"
    DELETING = "deleting"
    ERROR = "error"


class Volume(Struct, frozen=True, kw_only=True):
    """A block device of `size` GiB; where it came from is one of the three ids, or none."""

    id: str
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
    task_id: str | None = None
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1


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


class Snapshot(Struct, frozen=True, kw_only=True):
    """A volume as it was at a moment."""

    id: str
    client_id: int
    project_id: int
    region_id: int
    volume_id: str
    name: str
    description: str | None = None
    size: int
    status: str = "available"
    task_id: str | None = None
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1


def device(position: int) -> str:
    """Name the block device at a position: /dev/vda, …, /dev/vdz, /dev/vdaa."""
    letters = ""
    position += 1
    while position:
        position, letter = divmod(position - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"/dev/vd{letters}"
