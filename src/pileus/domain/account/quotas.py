"""Quotas: views, requests for other limits, and notification thresholds.

`quota_checks.py` has the arithmetic. The quota `vm_count` is `vm_count_limit` and `vm_count_usage` in the API.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from pileus.domain.account.quota_checks import QUOTAS
from pileus.domain.errors import invalid
from pileus.domain.suggestions import describe_similar_names

GLOBAL_QUOTAS = frozenset({"keypair_count", "project_count"})
"""Quotas that count all regions together."""
ALL_REGIONS = 0
"""Stands for all regions in the place of a region id."""
MAX_LIMIT = 2**31 - 1


class LimitRequestStatus(StrEnum):
    """The states of a request for other limits."""

    IN_PROGRESS = "in progress"
    DONE = "done"
    REJECTED = "rejected"


class LimitRequest(Struct, frozen=True, kw_only=True):
    """A tenant's request for other limits; `requested_limits` maps region ids to limits by quota."""

    id: int
    client_id: int
    description: str
    requested_limits: dict[str, dict[str, int]]
    status: str = LimitRequestStatus.IN_PROGRESS
    created_at: int
    updated_at: int
    revision: int = 1


class QuotaThreshold(Struct, frozen=True, kw_only=True):
    """The usage in per cent at which a tenant is notified, and the last notification."""

    client_id: int
    threshold: int
    last_sending: int | None = None
    last_message: dict[str, Any] | None = None
    revision: int = 1


def quota_view(limits: Mapping[str, int], usage: Mapping[str, int], *, is_global: bool) -> dict[str, int]:
    """Return limits and usage under the API's names. A quota without a limit has only its usage."""
    view: dict[str, int] = {}
    for name in sorted(QUOTAS & GLOBAL_QUOTAS if is_global else QUOTAS - GLOBAL_QUOTAS):
        if name in limits:
            view[f"{name}_limit"] = limits[name]
        view[f"{name}_usage"] = usage.get(name, 0)
    return view


def parse_quota_limits(limits: Mapping[str, int], *, is_global: bool) -> dict[str, int]:
    """Return requested limits by quota. Raises Invalid for an unknown quota."""
    names = QUOTAS & GLOBAL_QUOTAS if is_global else QUOTAS - GLOBAL_QUOTAS
    parsed = {}
    for key, value in limits.items():
        name = key.removesuffix("_limit")
        if not key.endswith("_limit") or name not in names:
            hint = describe_similar_names(key, [f"{known_name}_limit" for known_name in names], count=1)
            raise invalid(**{key: f"There is no such quota{hint}"})
        if not 0 <= value <= MAX_LIMIT:
            raise invalid(**{key: f"Input should be between 0 and {MAX_LIMIT}"})
        parsed[name] = value
    return parsed


def quotas_reaching_threshold(
    limits: Mapping[str, int], usage: Mapping[str, int], requested: Mapping[str, int], threshold_percent: int
) -> dict[str, dict[str, int]]:
    """Return the quotas whose usage reaches a threshold (in per cent) by a request, under the API's names."""
    crossed = {}
    for name, number in requested.items():
        before, limit = usage.get(name, 0), limits.get(name)
        if limit and number > 0 and 100 * before < threshold_percent * limit <= 100 * (before + number):
            crossed[f"{name}_limit"] = {"usage": before + number, "limit": limit}
    return crossed
