"""Schedules of snapshots as the API returns them."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict

from pileus.api.wire.storage.schedule_requests import Quantity
from pileus.domain.storage.schedules import Cron, Schedule, TimeSpan

OWNER: Literal["lifecycle_policy"] = "lifecycle_policy"


class RetentionTimeView(Struct, kw_only=True):
    """A length of time."""

    weeks: int | None
    days: int | None
    hours: int | None
    minutes: int | None

    @classmethod
    def of(cls, span: TimeSpan | None) -> "RetentionTimeView | None":
        """Make the view of a length of time; None stays None."""
        return None if span is None else cls(**asdict(span))


class _ScheduleView(Struct, kw_only=True, tag_field="type"):
    id: str
    owner: str
    owner_id: int
    user_id: int
    max_quantity: Quantity
    retention_time: RetentionTimeView | None
    resource_name_template: str | None


class CronScheduleView(_ScheduleView, kw_only=True, tag="cron"):
    """A schedule with calendar times."""

    month: str | None
    week: str | None
    day: str | None
    day_of_week: str | None
    hour: str | None
    minute: str | None
    timezone: str | None


class IntervalScheduleView(_ScheduleView, kw_only=True, tag="interval"):
    """A schedule with a fixed interval."""

    weeks: int | None
    days: int | None
    hours: int | None
    minutes: int | None


ScheduleView = CronScheduleView | IntervalScheduleView


def schedule_view(schedule: Schedule) -> ScheduleView:
    """Make the view of a schedule."""
    view_type = CronScheduleView if isinstance(schedule.timing, Cron) else IntervalScheduleView
    return view_type(
        id=schedule.id,
        owner=OWNER,
        owner_id=schedule.lifecycle_policy_id,
        user_id=schedule.user_id,
        max_quantity=schedule.max_quantity,
        retention_time=RetentionTimeView.of(schedule.retention_time),
        resource_name_template=schedule.resource_name_template,
        **asdict(schedule.timing),
    )
