"""Schedules of snapshots: as the API shows them, and the bodies that make and change them."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from pileus.api.wire.patches import present_fields
from pileus.domain.storage.schedules import DEFAULT_TEMPLATE, Cron, Interval, NewSchedule, Schedule, Span

TIMING = frozenset({"type", *Cron.__struct_fields__, *Interval.__struct_fields__})
OWNER: Literal["lifecycle_policy"] = "lifecycle_policy"
Quantity = Annotated[int, Meta(ge=1, le=10000)]
Template = Annotated[str, Meta(min_length=1, max_length=255)]
Expression = Annotated[str, Meta(min_length=1, max_length=100)]


class SpanView(Struct, kw_only=True):
    """A length of time."""

    weeks: int | None
    days: int | None
    hours: int | None
    minutes: int | None

    @classmethod
    def of(cls, span: Span | None) -> "SpanView | None":
        """Show a length, if there is one."""
        return None if span is None else cls(**asdict(span))


class _ScheduleView(Struct, kw_only=True, tag_field="type"):
    id: str
    owner: str
    owner_id: int
    user_id: int
    max_quantity: Quantity
    retention_time: SpanView | None
    resource_name_template: str | None


class CronScheduleView(_ScheduleView, kw_only=True, tag="cron"):
    """A schedule that follows the calendar."""

    month: str | None
    week: str | None
    day: str | None
    day_of_week: str | None
    hour: str | None
    minute: str | None
    timezone: str | None


class IntervalScheduleView(_ScheduleView, kw_only=True, tag="interval"):
    """A schedule that comes again after the same time."""

    weeks: int | None
    days: int | None
    hours: int | None
    minutes: int | None


ScheduleView = CronScheduleView | IntervalScheduleView


def schedule_view(schedule: Schedule) -> ScheduleView:
    """Show a schedule."""
    kind = CronScheduleView if isinstance(schedule.timing, Cron) else IntervalScheduleView
    return kind(
        id=schedule.id,
        owner=OWNER,
        owner_id=schedule.lifecycle_policy_id,
        user_id=schedule.user_id,
        max_quantity=schedule.max_quantity,
        retention_time=SpanView.of(schedule.retention_time),
        resource_name_template=schedule.resource_name_template,
        **asdict(schedule.timing),
    )


class Keeping(Struct, kw_only=True):
    """How long snapshots are kept."""

    weeks: int | None = None
    days: int | None = None
    hours: int | None = None
    minutes: int | None = None

    def span(self) -> Span:
        """The same in the rules' words."""
        return Span(**asdict(self))


class _CreateSchedule(Struct, kw_only=True, tag_field="type"):
    max_quantity: Quantity = 2
    retention_time: Keeping | None = None
    resource_name_template: Template = DEFAULT_TEMPLATE

    def _kept(self, timing: Cron | Interval, now: int) -> NewSchedule:
        return NewSchedule(
            timing=timing,
            max_quantity=self.max_quantity,
            retention_time=self.retention_time.span() if self.retention_time else None,
            resource_name_template=self.resource_name_template,
        ).checked(now)


class CreateCronSchedule(_CreateSchedule, kw_only=True, tag="cron"):
    """A schedule that follows the calendar; smaller units than the smallest that is given are their first."""

    month: Expression | None = None
    week: Expression | None = None
    day: Expression | None = None
    day_of_week: Expression | None = None
    hour: Expression | None = None
    minute: Expression | None = None
    timezone: Expression | None = None

    def asked(self, now: int) -> NewSchedule:
        """Say it in the rules' words; raises Invalid for what cannot be kept."""
        return self._kept(Cron(**{name: getattr(self, name) for name in Cron.__struct_fields__}), now)


class CreateIntervalSchedule(_CreateSchedule, kw_only=True, tag="interval"):
    """A schedule that comes again after the same time, the first time after that time."""

    weeks: int | None = None
    days: int | None = None
    hours: int | None = None
    minutes: int | None = None

    def asked(self, now: int) -> NewSchedule:
        """Say it in the rules' words; raises Invalid for what cannot be kept."""
        return self._kept(Interval(**{name: getattr(self, name) for name in Interval.__struct_fields__}), now)


CreateSchedule = CreateCronSchedule | CreateIntervalSchedule


class UpdateSchedule(Struct, kw_only=True):
    """What is to change about a schedule; with another `type` its timing starts from nothing."""

    type: Literal["cron", "interval"] | UnsetType = UNSET
    month: Expression | UnsetType = UNSET
    week: Expression | UnsetType = UNSET
    day: Expression | UnsetType = UNSET
    day_of_week: Expression | UnsetType = UNSET
    hour: Expression | UnsetType = UNSET
    minute: Expression | UnsetType = UNSET
    timezone: Expression | UnsetType = UNSET
    weeks: int | UnsetType = UNSET
    days: int | UnsetType = UNSET
    hours: int | UnsetType = UNSET
    minutes: int | UnsetType = UNSET
    max_quantity: Quantity | UnsetType = UNSET
    retention_time: Keeping | UnsetType = UNSET
    resource_name_template: Template | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """What of the schedule itself changes."""
        changes = {name: value for name, value in present_fields(self).items() if name not in TIMING}
        return changes | ({} if self.retention_time is UNSET else {"retention_time": self.retention_time.span()})

    def timing(self) -> dict[str, Any]:
        """What of its timing changes."""
        return {name: value for name, value in present_fields(self).items() if name in TIMING}
