"""File shares: file systems of `size` GiB that instances mount over NFS, and the rules of access to them."""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import asdict, replace

from pileus.domain import limits
from pileus.domain.account.regions import Region
from pileus.domain.errors import Conflict, Invalid, invalid
from pileus.domain.ids import derive_catalogue_id
from pileus.domain.network.networks import Network, Subnet
from pileus.domain.patches import ResourcePatch
from pileus.domain.places import Place
from pileus.domain.storage.volumes import StorageResource

PROTOCOL = "NFS"


class FileShareType(StrEnum):
    """The types of file shares: in a network of the project, or on the storage network of the region."""

    STANDARD = "standard"
    VAST = "vast"


class FileShareStatus(StrEnum):
    """The statuses of a file share."""

    CREATING = "creating"
    AVAILABLE = "available"
    EXTENDING = "extending"
    DELETING = "deleting"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"


class AccessRuleState(StrEnum):
    """The states of an access rule."""

    QUEUED_TO_APPLY = "queued_to_apply"
    APPLYING = "applying"
    ACTIVE = "active"
    DENYING = "denying"
    ERROR = "error"


DELETABLE_STATUSES = frozenset({FileShareStatus.AVAILABLE, FileShareStatus.ERROR, FileShareStatus.ERROR_DELETING})


class ShareSettings(Struct, frozen=True, kw_only=True):
    """The settings of a VAST file share. LCD is the lowest common denominator, NPL the limit of the protocol."""

    root_squash: bool = True
    path_length: str = "LCD"
    allowed_characters: str = "LCD"
    trash_access: bool = False

    def patched(self, changes: dict[str, str | bool]) -> "ShareSettings":
        """Return changed settings. Raises Invalid for a trash folder that nobody could use."""
        changed = replace(self, **changes)
        if changed.trash_access and changed.root_squash:
            raise invalid(share_settings="trash_access requires root_squash to be false")
        return changed


class FileSharePatch(ResourcePatch, total=False):
    """A merge patch of a file share. An absent key leaves the field unchanged."""

    share_settings: dict[str, str | bool]


class NewAccessRule(Struct, frozen=True, kw_only=True):
    """Access for an address or a range: `ro` or `rw`."""

    access_to: str
    access_level: str


class AccessRule(NewAccessRule, frozen=True, kw_only=True):
    """A rule of access to a file share."""

    NOUN: ClassVar[str] = "Access rule"

    id: str
    file_share_id: str
    state: str
    created_at: int


class NewFileShare(Struct, frozen=True, kw_only=True):
    """A file share to create; `network_id` is None for VAST."""

    name: str
    size: int
    type_name: str
    network_id: str | None = None
    subnet_id: str | None = None
    rules: Sequence[NewAccessRule] = ()
    share_settings: dict[str, str | bool] = {}


class FileShare(StorageResource, frozen=True, kw_only=True):
    """A file share. A standard one has an address in a subnet of the project."""

    NOUN: ClassVar[str] = "File share"

    id: str
    size: int
    type_name: str
    status: str = FileShareStatus.CREATING
    network_id: str | None = None
    subnet_id: str | None = None
    share_network_name: str | None = None
    share_settings: ShareSettings | None = None
    connection_point: str | None = None

    def patched_by(self, patch: FileSharePatch, now: int) -> "FileShare":
        """Apply a merge patch, except for its tags. Raises Invalid for settings that the type does not have."""
        changed = replace(self, name=patch.get("name", self.name), updated_at=now)
        changes = patch.get("share_settings")
        if not changes:
            return changed
        if self.share_settings is None:
            raise invalid(share_settings=f"A file share of type {self.type_name} has no settings")
        return replace(changed, share_settings=self.share_settings.patched(changes))

    def require_available(self, verb: str) -> "FileShare":
        """Return the file share if it can be changed. Raises Conflict."""
        if self.require_unlocked().status != FileShareStatus.AVAILABLE:
            raise Conflict(f"Cannot {verb} file share {self.id} in status {self.status}")
        return self

    def extending(self, size: int, task_id: str, now: int) -> "FileShare":
        """Start to extend it; the new size counts at once. Raises Conflict or Invalid."""
        if size <= self.require_available("extend").size:
            raise invalid(size=f"Input should be greater than {self.size}")
        status = FileShareStatus.EXTENDING.value
        return replace(self, status=status, size=size, task_id=task_id, updated_at=now)

    def deleting(self, task_id: str, now: int) -> "FileShare":
        """Start the deletion. Raises Conflict unless it is available or has failed."""
        if self.require_unlocked().status not in DELETABLE_STATUSES:
            raise Conflict(f"Cannot delete file share {self.id} in status {self.status}")
        return replace(self, status=FileShareStatus.DELETING.value, task_id=task_id, updated_at=now)

    def available(self, now: int) -> "FileShare":
        """Return the file share as available and unlocked."""
        return replace(self, status=FileShareStatus.AVAILABLE.value, task_id=None, updated_at=now)

    def require_access_rules(self) -> "FileShare":
        """Return the file share if it can have access rules. Raises Invalid or Conflict."""
        if self.type_name != FileShareType.STANDARD:
            raise Invalid(f"File share {self.id} is of type {self.type_name}, which has no access rules")
        return self.require_available("change access to")


class ShareNetwork(Struct, frozen=True, kw_only=True):
    """Where a file share is reached."""

    network_id: str
    network_name: str
    subnet_id: str
    subnet_name: str


def plan_file_share(  # noqa: PLR0913  # the fields of the record
    place: Place, new: NewFileShare, subnet: tuple[Network, Subnet] | None, share_id: str, *, task_id: str, now: int
) -> FileShare:
    """Create the record of a file share, locked by the task that creates it. Raises Invalid for its settings."""
    is_vast = new.type_name == FileShareType.VAST
    return FileShare(
        id=share_id,
        **asdict(place),
        name=new.name,
        size=new.size,
        type_name=new.type_name,
        network_id=subnet[0].id if subnet else None,
        subnet_id=subnet[1].id if subnet else None,
        share_network_name=None if is_vast else f"File_share_{new.name}_network",
        share_settings=ShareSettings().patched(new.share_settings) if is_vast else None,
        creator_task_id=task_id,
        task_id=task_id,
        created_at=now,
        updated_at=now,
    )


def plan_access_rules(share: FileShare, rules: Sequence[NewAccessRule], ids: Sequence[str]) -> list[AccessRule]:
    """Create the records of a new file share's rules. Raises Invalid for two with the same target."""
    targets = [rule.access_to for rule in rules]
    limits.check_total("access", targets, limits.SHARE_ACCESS_RULES)
    if len(set(targets)) < len(targets):
        raise invalid(access="Several rules have the same ip_address")
    return [
        AccessRule(
            id=rule_id,
            file_share_id=share.id,
            access_to=rule.access_to,
            access_level=rule.access_level,
            state=AccessRuleState.QUEUED_TO_APPLY.value,
            created_at=share.created_at,
        )
        for rule_id, rule in zip(ids, rules, strict=True)
    ]


def check_type_offered(region: Region, type_name: str) -> None:
    """Raise Invalid if a region has no file shares of a type."""
    if not region.has_sfs or type_name not in region.file_share_types:
        raise invalid(type_name=f"There are no file shares of type {type_name} in this region")


def storage_network_of(region_id: int) -> ShareNetwork:
    """Return the storage network of a region, on which tenants reach VAST file shares. It is no resource of theirs."""
    return ShareNetwork(
        network_id=derive_catalogue_id(f"storage-network/{region_id}"),
        network_name="vast",
        subnet_id=derive_catalogue_id(f"storage-subnet/{region_id}"),
        subnet_name="vast",
    )
