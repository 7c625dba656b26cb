"""Floating IPs as the API shows them, and the bodies that make and move them."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from pileus.api.wire.common import common_fields
from pileus.api.wire.compute.instances import InstanceView
from pileus.api.wire.constraints import Uuid
from pileus.api.wire.legacy import legacy_tag_fields
from pileus.api.wire.tags import NewTags, TagChanges, TagView, tag_views
from pileus.domain.network.floating_ips import FloatingIP, FloatingIPPatch
from pileus.domain.tags import Tag, validate_tags

Status = Literal["ACTIVE", "DOWN", "ERROR"]


class FloatingIPView(Struct, kw_only=True):
    """A public address, and the port that it leads to."""

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

    @classmethod
    def of(cls, floating: FloatingIP, tags: Iterable[Tag], region_name: str) -> "FloatingIPView":
        """Show a floating IP."""
        return cls(
            id=floating.id,
            floating_ip_address=floating.floating_ip_address,
            fixed_ip_address=floating.fixed_ip_address,
            port_id=floating.port_id,
            router_id=floating.router_id,
            status=floating.status,
            tags=tag_views(tags),
            **common_fields(floating, region_name),
        )


class ListedFloatingIP(FloatingIPView, kw_only=True):
    """A public address with the instance that it leads to; there are no load balancers here."""

    instance: InstanceView | None
    loadbalancer: None


class LegacyFloatingIPView(FloatingIPView, kw_only=True):
    """A public address with the second names that older clients read."""

    metadata: dict[str, str]
    metadata_detailed: list[TagView]

    @classmethod
    def of(cls, floating: FloatingIP, tags: Iterable[Tag], region_name: str) -> "LegacyFloatingIPView":
        """Show a floating IP under both sets of names."""
        view = FloatingIPView.of(floating, tags, region_name)
        return cls(**asdict(view), **legacy_tag_fields(view.tags))


class LegacyListedFloatingIP(ListedFloatingIP, kw_only=True):
    """The same as the list shows it."""

    metadata: dict[str, str]
    metadata_detailed: list[TagView]


class CreateFloatingIP(Struct, kw_only=True):
    """A floating IP to make, and where it is to lead."""

    port_id: Uuid | None = None
    fixed_ip_address: str | None = None
    tags: NewTags | None = None
    metadata: NewTags | None = None


class UpdateFloatingIP(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386): a port of null is none, a port alone means its first IPv4 address."""

    port_id: Uuid | UnsetType | None = UNSET
    fixed_ip_address: str | UnsetType | None = UNSET
    tags: TagChanges | UnsetType | None = UNSET

    def patch(self) -> FloatingIPPatch:
        """Keep the fields that were sent, tags checked; raises Invalid."""
        patch = UpdateFloatingIPTags(tags=self.tags).patch()
        if self.port_id is not UNSET:
            patch["port_id"] = self.port_id
        if self.fixed_ip_address is not UNSET:
            patch["fixed_ip_address"] = self.fixed_ip_address
        return patch


class UpdateFloatingIPTags(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386) of tags alone."""

    tags: TagChanges | UnsetType | None = UNSET

    def patch(self) -> FloatingIPPatch:
        """Keep the field if it was sent, tags checked; raises Invalid."""
        if self.tags is UNSET:
            return FloatingIPPatch()
        return FloatingIPPatch(tags=None if self.tags is None else validate_tags(self.tags))


class AssignFloatingIP(Struct, kw_only=True):
    """The port that a floating IP is to lead to."""

    port_id: Uuid
    fixed_ip_address: str | None = None


class PriceFloatingIPs(Struct, kw_only=True):
    """Floating IPs to be priced."""

    count: Annotated[int, Meta(ge=1, le=1000)]
