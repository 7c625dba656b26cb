"""Placement groups as the API shows them, and the body that makes one."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from pileus.domain.compute.placement_groups import PlacementGroup

GroupName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9][a-zA-Z 0-9._\-]{1,108}[a-zA-Z0-9._](?!\n)$")]
PolicyName = Literal["affinity", "anti-affinity", "soft-anti-affinity"]


class Member(Struct, kw_only=True):
    """An instance in a placement group."""

    instance_id: str
    instance_name: str


class PlacementGroupView(Struct, kw_only=True):
    """A placement group with its members."""

    servergroup_id: str
    name: str
    policy: str
    instances: list[Member]
    project_id: int
    region: str
    region_id: int

    @classmethod
    def of(cls, group: PlacementGroup, members: Iterable[tuple[str, str]], region_name: str) -> "PlacementGroupView":
        """Show a group; members are ids and names."""
        return cls(
            servergroup_id=group.id,
            name=group.name,
            policy=group.policy,
            instances=[Member(instance_id=each, instance_name=name) for each, name in members],
            project_id=group.project_id,
            region=region_name,
            region_id=group.region_id,
        )


class CreatePlacementGroup(Struct, kw_only=True):
    """A placement group to make; its policy never changes."""

    name: GroupName
    policy: PolicyName
