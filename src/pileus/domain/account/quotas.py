"""Quotas: their names, what a tenant asks to be allowed, and when to say that little is left.

`limits.py` has the arithmetic. A quota is called `vm_count` here; the API shows it as `vm_count_limit` and
`vm_count_usage`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from pileus.domain.account.quota_checks import QUOTAS
from pileus.domain.errors import invalid

GLOBAL_QUOTAS = frozenset({"keypair_count", "project_count"})
"""Counted in all regions together."""
ALL_REGIONS = 0
"""Stands for all regions together where a region's number stands otherwise."""
MAX_LIMIT = 2**31 - 1


class RequestStatus(StrEnum):
    """How far a request for other limits has come."""

    IN_PROGRESS = "in progress"
    DONE = "done"
    REJECTED = "rejected"


class LimitRequest(Struct, frozen=True, kw_only=True):
    """A tenant's wish for other limits; `requested_limits` are the quotas' names and numbers, by region."""

    id: int
    client_id: int
    description: str
    requested_limits: dict[str, dict[str, int]]
    status: str = RequestStatus.IN_PROGRESS
    created_at: int
    updated_at: int
    revision: int = 1


class QuotaThreshold(Struct, frozen=True, kw_only=True):
    """From how many per cent on a tenant is told that little is left, and what it was told last."""

    client_id: int
    threshold: int
    last_sending: int | None = None
    last_message: dict[str, Any] | None = None
    revision: int = 1


def quota_view(limits: Mapping[str, int], usage: Mapping[str, int], *, is_global: bool) -> dict[str, int]:
    """Limits and usage as the API calls them; a quota that is not limited has only its usage."""
    told: dict[str, int] = {}
    for name in sorted(QUOTAS & GLOBAL_QUOTAS if is_global else QUOTAS - GLOBAL_QUOTAS):
        if name in limits:
            told[f"{name}_limit"] = limits[name]
        told[f"{name}_usage"] = usage.get(name, 0)
    return told


def parse_limits(limits: Mapping[str, int], *, is_global: bool) -> dict[str, int]:
    """Limits that a tenant asks for, by the quotas' names; raises Invalid for what there is not."""
    known = QUOTAS & GLOBAL_QUOTAS if is_global else QUOTAS - GLOBAL_QUOTAS
    found = {}
    for key, value in limits.items():
        name = key.removesuffix("_limit")
        if not key.endswith("_limit") or name not in known:
            raise invalid(**{key: "There is no such quota"})
        if not 0 <= value <= MAX_LIMIT:
            raise invalid(**{key: f"Input should be between 0 and {MAX_LIMIT}"})
        found[name] = value
    return found


def crossed_thresholds(
    limits: Mapping[str, int], usage: Mapping[str, int], requested: Mapping[str, int], threshold: int
) -> dict[str, dict[str, int]]:
    """The quotas whose usage comes to a threshold (in per cent) by what is asked, as the API tells of them."""
    told = {}
    for name, number in requested.items():
        before, limit = usage.get(name, 0), limits.get(name)
        if limit and number > 0 and 100 * before < threshold * limit <= 100 * (before + number):
            told[f"{name}_limit"] = {"usage": before + number, "limit": limit}
    return told
