"""Placement groups: which instances stand together, or apart."""

from enum import StrEnum

from msgspec import Struct


class Policy(StrEnum):
    """How members are placed."""

    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"
    SOFT_ANTI_AFFINITY = "soft-anti-affinity"


class PlacementGroup(Struct, frozen=True, kw_only=True):
    """A group; its policy never changes."""

    id: str
    client_id: int
    project_id: int
    region_id: int
    name: str
    policy: str
    task_id: str | None = None
    created_at: int
    revision: int = 1
