"""Images that volumes and servers are made from: the catalogue's, and those that a project keeps of its own."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, TypedDict

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import Forbidden
from pileus.domain.locks import Lockable
from pileus.domain.places import Place

GIB = 1 << 30


class ImageStatus(StrEnum):
    """The statuses that an image passes through here."""

    QUEUED = "queued"
    SAVING = "saving"
    ACTIVE = "active"
    DELETING = "deleting"
    ERROR = "error"


class ImagePatch(TypedDict, total=False):
    """A merge patch: a key that is absent is left alone."""

    name: str
    os_type: str
    ssh_key: str
    is_baremetal: bool
    hw_firmware_type: str
    hw_machine_type: str
    tags: Mapping[str, str | None]


UNKNOWN_OS = "unknown"


class NewImage(Struct, frozen=True, kw_only=True):
    """An image to create; the operating system of an image of a volume is that of the volume."""

    name: str
    os_distro: str = UNKNOWN_OS
    os_type: str = "linux"
    os_version: str = UNKNOWN_OS
    architecture: str = "x86_64"
    ssh_key: str | None = "allow"
    is_baremetal: bool = False
    hw_firmware_type: str | None = None
    hw_machine_type: str | None = None
    cow_format: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


class Image(Lockable, frozen=True, kw_only=True):
    """One image; `size` in bytes, `min_disk` in GiB, `min_ram` in MiB; public ones have no tenant.

    Volumes go on needing one of `cow_format` when they have been made. The catalogue offers a `retired` one no more.
    """

    NOUN: ClassVar[str] = "Image"

    client_id: int | None = None
    project_id: int | None = None
    region_id: int
    name: str
    description: str | None = None
    status: str = ImageStatus.ACTIVE
    visibility: str = "private"
    size: int | None = None
    checksum: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    os_distro: str
    os_type: str = "linux"
    os_version: str
    architecture: str = "x86_64"
    ssh_key: str | None = "allow"
    disk_format: str = "qcow2"
    cow_format: bool = False
    display_order: int | None = None
    is_baremetal: bool = False
    hw_firmware_type: str | None = None
    hw_machine_type: str | None = None
    retired: bool = False
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1

    def require_owned_by(self, place: Place) -> "Image":
        """Itself if it is a place's own; raises Forbidden for a public one."""
        if (self.client_id, self.project_id) != (place.client_id, place.project_id):
            raise Forbidden(f"Image {self.id} is not the project's own: it can be used, but not changed")
        return self

    def patched(self, patch: ImagePatch, now: int) -> "Image":
        """Apply the record's part of a merge patch (`tags.merged` does the other); raises Conflict while locked."""
        self.require_unlocked()
        changes = {name: value for name, value in patch.items() if name != "tags"}
        return replace(self, **changes, updated_at=now) if changes else self

    def with_status(self, status: ImageStatus, now: int) -> "Image":
        """Take a status in which no task holds it."""
        return replace(self, status=status.value, task_id=None, updated_at=now)

    def deleting(self, task_id: str, now: int) -> "Image":
        """Go away, held by a task; raises Conflict while another holds it."""
        return replace(self.require_unlocked(), status=ImageStatus.DELETING.value, task_id=task_id, updated_at=now)


def bytes_to_gib(size: int) -> int:
    """As many GiB as bytes need."""
    return -(-size // GIB)
