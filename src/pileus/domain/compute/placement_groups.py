"""Placement groups: which instances stand together, or apart."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar, Self

from pileus.domain.errors import Conflict
from pileus.domain.locks import Lockable


class Policy(StrEnum):
    """How members are placed."""

    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"
    SOFT_ANTI_AFFINITY = "soft-anti-affinity"


class PlacementGroup(Lockable, frozen=True, kw_only=True):
    """A group; its policy never changes."""

    NOUN: ClassVar[str] = "Placement group"

    client_id: int
    project_id: int
    region_id: int
    name: str
    policy: str
    created_at: int
    revision: int = 1

    def require_unlocked(self) -> Self:
        """Itself if no task holds it; raises Conflict."""
        if self.task_id is not None:
            raise Conflict(f"Placement group {self.id} is locked by task {self.task_id}")
        return self


def choose_host(
    hosts: Sequence[str], load: Mapping[str, int], policy: str | None, taken: Collection[str]
) -> str | None:
    """Choose the host with the least on it that a policy allows, given where the other members stand; None if none is.

    Affinity keeps to where the others are, anti-affinity away from them, soft-anti-affinity away while it can.
    """
    allowed = list(hosts)
    if policy == Policy.AFFINITY and taken:
        allowed = [host for host in hosts if host in taken]
    elif policy == Policy.ANTI_AFFINITY:
        allowed = [host for host in hosts if host not in taken]
    elif policy == Policy.SOFT_ANTI_AFFINITY:
        allowed = [host for host in hosts if host not in taken] or allowed
    return min(allowed, key=lambda host: (load.get(host, 0), host), default=None)


def may_stay_on(host: str | None, policy: str, taken: Collection[str]) -> bool:
    """Whether a new member may stand where it stands already."""
    if host is None:
        return False
    if policy == Policy.AFFINITY:
        return not taken or host in taken
    return host not in taken
