"""Placement groups: which instances share a host, and which must not."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

from pileus.domain.resources import Resource


class Policy(StrEnum):
    """The placement of the members on hosts."""

    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"
    SOFT_ANTI_AFFINITY = "soft-anti-affinity"


class PlacementGroup(Resource, frozen=True, kw_only=True):
    """A placement group. Its policy never changes."""

    NOUN: ClassVar[str] = "Placement group"

    id: str
    name: str
    policy: str


def choose_host(
    hosts: Sequence[str], load: Mapping[str, int], policy: str | None, taken: Collection[str]
) -> str | None:
    """Return the least loaded host that the policy allows, or None. `taken` are the hosts of the other members.

    Affinity requires a taken host, anti-affinity a free one; soft-anti-affinity prefers a free one.
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
    """Return whether a new member may stay on its current host."""
    if host is None:
        return False
    if policy == Policy.AFFINITY:
        return not taken or host in taken
    return host not in taken
