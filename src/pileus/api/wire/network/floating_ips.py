"""Floating IPs as the API shows them, and their request bodies."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.constraints import Uuid
from pileus.api.wire.legacy import CreateTaggedResource, LegacyField
from pileus.api.wire.tags import TagChanges, TagView, tag_views
from pileus.domain.network.floating_ips import FloatingIP, FloatingIPPatch
from pileus.domain.tags import Tag, validate_tags

Status = Literal["ACTIVE", "DOWN", "ERROR"]


class FloatingIPView(Struct, kw_only=True):
    """A floating IP, and the port that it is assigned to."""

    id: str
    floating_ip_address: str
    fixed_ip_address: str | None
    port_id: str | None
    router_id: str | None
    status: str
    tags: list[TagView]
    project_id: int
    region: str
    region_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str
    metadata: LegacyField[list[TagView]]

    @classmethod
    def of(cls, floating_ip: FloatingIP, tags: Iterable[Tag], region_name: str) -> "FloatingIPView":
        """Return the view of a floating IP."""
        tag_list = tag_views(tags)
        common_fields = common_view_fields(floating_ip, region_name)
        return make_view(cls, floating_ip, tags=tag_list, metadata=tag_list, **common_fields)


class CreateFloatingIP(CreateTaggedResource, kw_only=True):
    """A floating IP to create, and the port to assign it to."""

    port_id: Uuid | None = None
    fixed_ip_address: str | None = None


class UpdateFloatingIP(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386). A port of null unassigns; a port alone means its first IPv4 address."""

    port_id: Uuid | UnsetType | None = UNSET
    fixed_ip_address: str | UnsetType | None = UNSET
    tags: TagChanges | UnsetType | None = UNSET

    def to_patch(self) -> FloatingIPPatch:
        """Return the fields of the request, with valid tags. Raises Invalid."""
        patch = FloatingIPPatch()
        if self.tags is not UNSET:
            patch["tags"] = None if self.tags is None else validate_tags(self.tags)
        if self.port_id is not UNSET:
            patch["port_id"] = self.port_id
        if self.fixed_ip_address is not UNSET:
            patch["fixed_ip_address"] = self.fixed_ip_address
        return patch


class UpdateFloatingIPTags(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386) of tags alone."""

    tags: TagChanges | UnsetType | None = UNSET


class AssignFloatingIP(Struct, kw_only=True):
    """The port to assign the floating IP to, at `fixed_ip_address` or else at its first IPv4 address."""

    port_id: Uuid
    fixed_ip_address: str | None = None


class FloatingIPPriceRequest(Struct, kw_only=True):
    """The number of floating IPs to price."""

    count: Annotated[int, Meta(ge=1, le=1000)]


class ConvertFloatingIPToReservedFixedIP(Struct, kw_only=True):
    """The resource type that a floating IP is converted to."""

    target_type: Literal["reserved_fixed_ip"]
