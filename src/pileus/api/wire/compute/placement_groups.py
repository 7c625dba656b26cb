"""Placement groups."""

from collections.abc import Iterable

from msgspec import Struct

from pileus.domain.compute.placement_groups import PlacementGroup


class PlacementGroupMember(Struct, kw_only=True):
    """An instance in a placement group."""

    instance_id: str
    instance_name: str


class PlacementGroupView(Struct, kw_only=True):
    """A placement group with its members."""

    servergroup_id: str
    name: str
    policy: str
    instances: list[PlacementGroupMember]
    project_id: int
    region: str
    region_id: int

    @classmethod
    def of(cls, group: PlacementGroup, members: Iterable[tuple[str, str]], region_name: str) -> "PlacementGroupView":
        """Show a group; `members` are pairs of id and name."""
        return cls(
            servergroup_id=group.id,
            name=group.name,
            policy=group.policy,
            instances=[
                PlacementGroupMember(instance_id=instance_id, instance_name=name) for instance_id, name in members
            ],
            project_id=group.project_id,
            region=region_name,
            region_id=group.region_id,
        )
