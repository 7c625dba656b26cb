"""Quotas as the API shows them, and the bodies that ask for other limits and set a threshold."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from pileus.api.wire.times import format_zulu
from pileus.domain.account.quotas import EVERYWHERE, LimitRequest, QuotaThreshold, parse_limits

Limits = dict[str, int]
"""Numbers by `<quota>_limit` and, in what is shown, `<quota>_usage`."""


class AllQuotas(Struct, kw_only=True):
    """What a tenant may have and has, in all regions together and in each; a region's numbers tell its `region_id`."""

    global_quotas: Limits
    regional_quotas: list[Limits]


class RequestedLimits(Struct, kw_only=True):
    """Limits that are wished for; a region's numbers tell its `region_id`."""

    global_limits: Limits = field(default_factory=dict)
    regional_limits: list[Limits] = field(default_factory=list)

    def by_region(self) -> dict[str, Limits]:
        """The quotas' names and numbers, by region; raises Invalid."""
        found = {str(EVERYWHERE): parse_limits(self.global_limits, everywhere=True)} if self.global_limits else {}
        for limits in self.regional_limits:
            rest = {name: value for name, value in limits.items() if name != "region_id"}
            found.setdefault(str(limits.get("region_id", EVERYWHERE)), {}).update(parse_limits(rest, everywhere=False))
        return found


class CreateLimitRequest(Struct, kw_only=True):
    """A wish for other limits, and why."""

    description: Annotated[str, Meta(max_length=1000)]
    requested_limits: RequestedLimits


class LimitRequestView(Struct, kw_only=True):
    """A wish for other limits; its `status` is `in progress`, `done` or `rejected`."""

    id: int
    client_id: int
    description: str
    requested_limits: RequestedLimits
    status: str
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, request: LimitRequest) -> "LimitRequestView":
        """Show a request."""
        wished = {int(region): limits for region, limits in request.requested_limits.items()}
        regional = [
            {"region_id": region, **_limits(limits)}
            for region, limits in sorted(wished.items())
            if region != EVERYWHERE
        ]
        return cls(
            id=request.id,
            client_id=request.client_id,
            description=request.description,
            requested_limits=RequestedLimits(
                global_limits=_limits(wished.get(EVERYWHERE, {})), regional_limits=regional
            ),
            status=request.status,
            created_at=format_zulu(request.created_at),
            updated_at=format_zulu(request.updated_at),
        )


class SetThreshold(Struct, kw_only=True):
    """From how many per cent of any quota on you are told that little is left."""

    threshold: Annotated[int, Meta(ge=60, le=100)]


class ThresholdView(Struct, kw_only=True):
    """A threshold, and what was told when last; null if nothing was."""

    client_id: int
    threshold: int
    last_sending: str | None
    last_message: dict[str, Any] | None

    @classmethod
    def of(cls, threshold: QuotaThreshold) -> "ThresholdView":
        """Show a threshold."""
        sent = threshold.last_sending
        return cls(
            client_id=threshold.client_id,
            threshold=threshold.threshold,
            last_sending=None if sent is None else format_zulu(sent),
            last_message=threshold.last_message,
        )


def _limits(limits: Limits) -> Limits:
    return {f"{name}_limit": value for name, value in sorted(limits.items())}
