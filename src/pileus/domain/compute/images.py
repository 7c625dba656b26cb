"""Images: the catalogue's public ones and the projects' own."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, TypedDict

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.resources import OwnedOrPublicResource

GIB = 1 << 30


class ImageStatus(StrEnum):
    """The statuses of an image."""

    QUEUED = "queued"
    SAVING = "saving"
    ACTIVE = "active"
    DELETING = "deleting"
    ERROR = "error"


class ImagePatch(TypedDict, total=False):
    """A merge patch. An absent key leaves the field unchanged."""

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


class Image(OwnedOrPublicResource, frozen=True, kw_only=True):
    """An image; `size` in bytes, `min_disk` in GiB, `min_ram` in MiB. Public images have no tenant.

    Volumes depend on their image if it is of `cow_format`. The catalogue no longer offers a `retired` image.
    """

    NOUN: ClassVar[str] = "Image"

    id: str
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

    def patched(self, patch: ImagePatch, now: int) -> "Image":
        """Apply a merge patch, except for its tags. Raises Conflict while the image is locked."""
        self.require_unlocked()
        changes = {name: value for name, value in patch.items() if name != "tags"}
        return replace(self, **changes, updated_at=now) if changes else self

    def unlocked_with_status(self, status: ImageStatus, now: int) -> "Image":
        """Set a status and unlock the image."""
        return replace(self, status=status.value, task_id=None, updated_at=now)

    def deleting(self, task_id: str, now: int) -> "Image":
        """Start the deletion by a task. Raises Conflict if the image is locked."""
        return replace(self.require_unlocked(), status=ImageStatus.DELETING.value, task_id=task_id, updated_at=now)


def bytes_to_gib(size: int) -> int:
    """Convert bytes to GiB, rounded up."""
    return -(-size // GIB)
