"""Placement groups: which instances share a host, and which must not."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

from pileus.domain import limits
from pileus.domain.resources import TenantResource


class PlacementPolicy(StrEnum):
    """The placement of the members on hosts."""

    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"
    SOFT_ANTI_AFFINITY = "soft-anti-affinity"


class PlacementGroup(TenantResource, frozen=True, kw_only=True):
    """A placement group. Its policy never changes."""

    NOUN: ClassVar[str] = "Placement group"

    id: str
    name: str
    policy: str


def check_another_member_allowed(member_count: int) -> None:
    """Raise Invalid if a group with this number of members cannot have another one."""
    limits.check_count("servergroup_id", member_count + 1, limits.PLACEMENT_GROUP_MEMBERS.value)


def choose_host(
    hosts: Sequence[str], instances_by_host: Mapping[str, int], policy: str | None, member_hosts: Collection[str]
) -> str | None:
    """Return the least loaded host that the policy allows, or None. `member_hosts` are the hosts of the other members.

    Affinity requires a taken host, anti-affinity a free one; soft-anti-affinity prefers a free one.
    """
    allowed = list(hosts)
    if policy == PlacementPolicy.AFFINITY and member_hosts:
        allowed = [host for host in hosts if host in member_hosts]
    elif policy == PlacementPolicy.ANTI_AFFINITY:
        allowed = [host for host in hosts if host not in member_hosts]
    elif policy == PlacementPolicy.SOFT_ANTI_AFFINITY:
        allowed = [host for host in hosts if host not in member_hosts] or allowed
    return min(allowed, key=lambda host: (instances_by_host.get(host, 0), host), default=None)


def may_stay_on_host(host: str | None, policy: str, member_hosts: Collection[str]) -> bool:
    """Return whether a new member may stay on its current host."""
    if host is None:
        return False
    if policy == PlacementPolicy.AFFINITY:
        return not member_hosts or host in member_hosts
    return host not in member_hosts
