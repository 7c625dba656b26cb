"""Floating IPs as the API shows them."""

from collections.abc import Iterable

from msgspec import Struct

from pileus.api.wire.tags import TagView, shown
from pileus.api.wire.times import offset
from pileus.domain.ports import FloatingIP
from pileus.domain.tags import Tag


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
            tags=shown(tags),
            project_id=floating.project_id,
            region=region_name,
            region_id=floating.region_id,
            task_id=floating.task_id,
            creator_task_id=floating.creator_task_id,
            created_at=offset(floating.created_at),
            updated_at=offset(floating.updated_at),
        )
