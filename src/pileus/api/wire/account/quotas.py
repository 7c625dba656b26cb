"""Quotas, limit requests and thresholds as the API returns them."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from pileus.api.wire.common import make_view
from pileus.api.wire.constraints import at_most_properties
from pileus.api.wire.times import format_zulu
from pileus.domain.account.quotas import ALL_REGIONS, LimitRequest, QuotaThreshold, parse_quota_limits
from pileus.domain.errors import nest_field_errors
from pileus.domain.limits import REQUESTED_LIMITS

Limits = dict[str, int]
"""Numbers by `<quota>_limit`, and in answers also by `<quota>_usage`."""

NewLimits = Annotated[Limits, at_most_properties(REQUESTED_LIMITS)]
"""Numbers by `<quota>_limit` in a body."""

ExceededQuotas = dict[str, int]
"""Three numbers of each quota that would be exceeded: `<quota>_limit`, `<quota>_requested`, `<quota>_usage`."""


class ClientQuotas(Struct, kw_only=True):
    """Limits and usage of the global quotas and of each region, which contains its `region_id`."""

    global_quotas: Limits
    regional_quotas: list[Limits]


class RequestedLimits(Struct, kw_only=True):
    """Requested limits. Those of a region contain its `region_id`."""

    global_limits: NewLimits = field(default_factory=dict)
    regional_limits: Annotated[list[NewLimits], Meta(max_length=REQUESTED_LIMITS.value)] = field(default_factory=list)

    def limits_by_region(self) -> dict[str, Limits]:
        """Return the limits by region id and quota name; region 0 stands for the global quotas. Raises Invalid."""
        by_region: dict[str, Limits] = {}
        if self.global_limits:
            with nest_field_errors("requested_limits", "global_limits"):
                by_region[str(ALL_REGIONS)] = parse_quota_limits(self.global_limits, is_global=True)
        for position, limits in enumerate(self.regional_limits):
            rest = {name: value for name, value in limits.items() if name != "region_id"}
            region_id = str(limits.get("region_id", ALL_REGIONS))
            with nest_field_errors("requested_limits", "regional_limits", position):
                by_region.setdefault(region_id, {}).update(parse_quota_limits(rest, is_global=False))
        return by_region


class LimitRequestView(Struct, kw_only=True):
    """A request for other limits. Its `status` is `in progress`, `done` or `rejected`."""

    id: int
    client_id: int
    description: str
    requested_limits: RequestedLimits
    status: str
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, request: LimitRequest) -> "LimitRequestView":
        """Make the view of a limit request."""
        requested = {int(region): limits for region, limits in request.requested_limits.items()}
        regional = [
            {"region_id": region, **_limits(limits)}
            for region, limits in sorted(requested.items())
            if region != ALL_REGIONS
        ]
        return make_view(
            cls,
            request,
            requested_limits=RequestedLimits(
                global_limits=_limits(requested.get(ALL_REGIONS, {})), regional_limits=regional
            ),
            created_at=format_zulu(request.created_at),
            updated_at=format_zulu(request.updated_at),
        )


class NotificationThresholdView(Struct, kw_only=True):
    """A notification threshold in percent, and the last notification, or null."""

    client_id: int
    threshold: int
    last_sending: str | None
    last_message: dict[str, Any] | None

    @classmethod
    def of(cls, threshold: QuotaThreshold) -> "NotificationThresholdView":
        """Make the view of a threshold."""
        last_sending = threshold.last_sending
        return make_view(cls, threshold, last_sending=None if last_sending is None else format_zulu(last_sending))


def _limits(limits: Limits) -> Limits:
    return {f"{name}_limit": value for name, value in sorted(limits.items())}
