"""Request bodies for file shares."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.constraints import Name, Size, Uuid
from pileus.api.wire.legacy import CreateTaggedResource, LegacyInput
from pileus.api.wire.patches import UpdateResource, sent_fields
from pileus.domain import limits
from pileus.domain.errors import invalid
from pileus.domain.ip_addresses import ip_network
from pileus.domain.storage.file_shares import FileSharePatch, FileShareType, NewAccessRule, NewFileShare

TypeName = Literal["ddn", "standard", "vast"]
TYPES_BY_VOLUME_TYPE = {"default_share_type": "standard", "vast_share_type": "vast", "ddn_share_type": "ddn"}


class CreateAccessRule(Struct, kw_only=True):
    """Access to a file share for an address or a range in CIDR notation."""

    ip_address: str
    access_mode: Literal["ro", "rw"]

    def to_new_rule(self) -> NewAccessRule:
        """Return the rule in the canonical form of its address. Raises Invalid."""
        try:
            network = ip_network(self.ip_address)
        except ValueError:
            raise invalid(ip_address="value is not a valid IPv4 or IPv6 address or network") from None
        is_host = "/" not in self.ip_address
        return NewAccessRule(
            access_to=str(network.network_address if is_host else network), access_level=self.access_mode
        )


class ShareNetworkRequest(Struct, kw_only=True):
    """A private network, and one of its subnets; without it, any that has a free IPv4 address."""

    network_id: Uuid
    subnet_id: Uuid | None = None


class ShareSettingsRequest(Struct, kw_only=True):
    """Settings of a VAST file share: absent ones do not change. `trash_access` requires `root_squash` to be false."""

    root_squash: bool | UnsetType = UNSET
    path_length: Literal["LCD", "NPL"] | UnsetType = UNSET
    allowed_characters: Literal["LCD", "NPL"] | UnsetType = UNSET
    trash_access: bool | UnsetType = UNSET


class CreateFileShare(CreateTaggedResource, kw_only=True):
    """A new file share of `size` GiB.

    A standard one has a `network`, and rules of `access`; a VAST one has `share_settings`.
    """

    name: Name
    size: Size
    protocol: Literal["LUSTRE", "NFS"]
    type_name: TypeName | None = None
    volume_type: LegacyInput[Literal["ddn_share_type", "default_share_type", "vast_share_type"]] = None
    network: ShareNetworkRequest | None = None
    access: Annotated[list[CreateAccessRule], Meta(max_length=limits.SHARE_ACCESS_RULES.value)] | None = None
    share_settings: ShareSettingsRequest | None = None

    def to_new_share(self) -> NewFileShare:
        """Return the file share to create. Raises Invalid for fields that do not belong to its type."""
        type_name = self.type_name or TYPES_BY_VOLUME_TYPE.get(self.volume_type or "", FileShareType.STANDARD.value)
        is_standard = type_name == FileShareType.STANDARD
        self._check_fields(type_name, is_standard=is_standard)
        return NewFileShare(
            name=self.name,
            size=self.size,
            type_name=type_name,
            network_id=self.network.network_id if self.network else None,
            subnet_id=self.network.subnet_id if self.network else None,
            rules=[rule.to_new_rule() for rule in self.access or ()],
            share_settings=sent_fields(self.share_settings) if self.share_settings else {},
        )

    def _check_fields(self, type_name: str, *, is_standard: bool) -> None:
        foreign = ("share_settings",) if is_standard else ("network", "access")
        for name in foreign:
            if getattr(self, name):
                raise invalid(**{name: f"A file share of type {type_name} has no {name}"})
        if is_standard and self.network is None:
            raise invalid(network="Field required")
        if (self.protocol == "LUSTRE") != (type_name == "ddn"):
            raise invalid(protocol=f"A file share of type {type_name} does not use {self.protocol}")


class UpdateFileShare(UpdateResource, kw_only=True):
    """A JSON merge patch (RFC 7386) of a file share. Absent fields do not change; `tags` may be null."""

    share_settings: ShareSettingsRequest | UnsetType = UNSET

    def to_share_patch(self) -> FileSharePatch:
        """Return the fields that were sent, with valid tags. Raises Invalid."""
        patch = FileSharePatch(**self.to_patch())  # type: ignore[typeddict-item]
        if self.share_settings is not UNSET:
            settings: dict[str, Any] = sent_fields(self.share_settings)
            patch["share_settings"] = settings
        return patch


class ExtendFileShare(Struct, kw_only=True):
    """The new size in GiB, larger than the present one."""

    size: Size


class FileShareQuotaCheckRequest(Struct, kw_only=True):
    """A new file share to count."""

    size: Size


class FileSharePriceRequest(Struct, kw_only=True):
    """A new file share to price."""

    source: Literal["new-file-share"]
    size: Size
    type_name: TypeName = "standard"
