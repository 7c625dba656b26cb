"""Volumes and their snapshots."""

from typing import Protocol, runtime_checkable

from msgspec import Struct

from pileus.drivers.protocols.abilities import AbilityMeta


class DiskSpec(Struct, frozen=True, kw_only=True):
    """A volume of `size` GiB of a client.

    Its first content is a snapshot's or an image's, if it names one; else it is blank.
    """

    id: str
    client_id: int | None = None
    size: int
    type_name: str
    device: str | None = None
    boot_index: int = -1
    image_id: str | None = None
    snapshot_id: str | None = None


@runtime_checkable
class SupportsVolumes(Protocol, metaclass=AbilityMeta):
    """Stores volumes and attaches them to machines."""

    async def ensure_volume(self, disk: DiskSpec) -> None:
        """Create a volume with its first content."""

    async def ensure_no_volume(self, volume_id: str) -> None:
        """Delete a volume."""

    async def ensure_volume_attachment(self, machine_id: str, disk: DiskSpec) -> None:
        """Attach a volume to a machine, running or not. Raises DriverError if another machine has it."""

    async def ensure_no_volume_attachment(self, machine_id: str, volume_id: str) -> None:
        """Detach a volume from a machine, if it is attached to that one."""


@runtime_checkable
class SupportsVolumeResize(Protocol, metaclass=AbilityMeta):
    """Changes the size of volumes while they are in use."""

    async def ensure_volume_size(self, volume_id: str, size_gib: int) -> None:
        """Set a volume's size. A smaller size undoes an extension, as far as that is possible."""


@runtime_checkable
class SupportsVolumeRetype(Protocol, metaclass=AbilityMeta):
    """Moves volumes to another volume type while they are in use."""

    async def ensure_volume_type(self, volume_id: str, type_name: str) -> None:
        """Set a volume's type."""


@runtime_checkable
class SupportsSnapshots(Protocol, metaclass=AbilityMeta):
    """Takes snapshots of volumes."""

    async def ensure_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Take a snapshot of a volume, in use or not."""

    async def ensure_no_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""

    async def ensure_reverted_volume(self, volume_id: str, snapshot_id: str, request_id: str) -> None:
        """Give a detached volume the content of a snapshot, completely or not at all, once for each `request_id`."""
