"""Volumes, their snapshots, and file shares."""

from typing import Protocol, Self, runtime_checkable

from msgspec import Struct

from pileus.domain.storage.file_shares import AccessRule
from pileus.drivers.protocols.abilities import AbilityMeta


class DiskSpec(Struct, frozen=True, kw_only=True):
    """A volume of `size` GiB of a client.

    Its first content is a snapshot's or an image's, if it names one; else it is blank. `is_new`: it is being created,
    so that nobody has used it.
    """

    id: str
    client_id: int | None = None
    size: int
    type_name: str
    device: str | None = None
    boot_index: int = -1
    image_id: str | None = None
    snapshot_id: str | None = None
    is_new: bool = False


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


class FileShareSpec(Struct, frozen=True, kw_only=True):
    """A file share of `size` GiB of a client.

    A standard one has `ip_address` in a network of the client, others are reached on the storage network of the cloud.
    `settings` are those of its type.
    """

    id: str
    client_id: int | None = None
    size: int
    type_name: str
    network_id: str | None = None
    ip_address: str | None = None
    settings: dict[str, str | bool] = {}


class ShareAccess(Struct, frozen=True, kw_only=True):
    """Access to a file share for an address or a range: to read (`ro`), or to read and write (`rw`)."""

    id: str
    file_share_id: str
    access_to: str
    access_level: str

    @classmethod
    def of(cls, rule: AccessRule) -> Self:
        """Make the specification of an access rule."""
        return cls(
            id=rule.id,
            file_share_id=rule.file_share_id,
            access_to=rule.access_to,
            access_level=rule.access_level,
        )


@runtime_checkable
class LimitsFileShares(Protocol, metaclass=AbilityMeta):
    """Has file shares of some types, or if the host allows it: requests for others are refused."""

    async def find_file_share_obstacle(self, type_name: str) -> str | None:
        """Return why no file share of a type can be created, and what the operator can do; None if they can."""


@runtime_checkable
class SupportsFileShares(Protocol, metaclass=AbilityMeta):
    """Keeps file shares that machines mount over the network."""

    async def ensure_file_share(self, share: FileShareSpec) -> str:
        """Create a file share, or change the size and the settings of an existing one.

        A smaller size undoes an extension. Returns the connection point, which clients mount.
        """

    async def ensure_no_file_share(self, share_id: str) -> None:
        """Delete a file share with all access to it."""

    async def ensure_share_access(self, access: ShareAccess) -> None:
        """Grant access to a file share. Raises DriverError if it does not exist."""

    async def ensure_no_share_access(self, share_id: str, access_id: str) -> None:
        """Revoke access to a file share."""
