"""Request bodies for schedules of snapshots."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from pileus.api.wire.patches import sent_fields
from pileus.domain.storage.schedules import DEFAULT_TEMPLATE, Cron, Interval, NewSchedule, TimeSpan

TIMING_FIELDS = frozenset({"type", *Cron.__struct_fields__, *Interval.__struct_fields__})
Quantity = Annotated[int, Meta(ge=1, le=10000)]
Template = Annotated[str, Meta(min_length=1, max_length=255)]
Expression = Annotated[str, Meta(min_length=1, max_length=100)]


class RetentionTime(Struct, kw_only=True):
    """The time that snapshots are kept."""

    weeks: int | None = None
    days: int | None = None
    hours: int | None = None
    minutes: int | None = None

    def to_span(self) -> TimeSpan:
        """Return the domain's length of time."""
        return TimeSpan(**asdict(self))


class _CreateSchedule(Struct, kw_only=True, tag_field="type"):
    max_quantity: Quantity = 2
    retention_time: RetentionTime | None = None
    resource_name_template: Template = DEFAULT_TEMPLATE

    def _new_schedule(self, timing: Cron | Interval) -> NewSchedule:
        return NewSchedule(
            timing=timing,
            max_quantity=self.max_quantity,
            retention_time=self.retention_time.to_span() if self.retention_time else None,
            resource_name_template=self.resource_name_template,
        )


class CreateCronSchedule(_CreateSchedule, kw_only=True, tag="cron"):
    """A schedule with calendar times.

    Units smaller than the smallest given one take their first value.
    """

    month: Expression | None = None
    week: Expression | None = None
    day: Expression | None = None
    day_of_week: Expression | None = None
    hour: Expression | None = None
    minute: Expression | None = None
    timezone: Expression | None = None

    def to_new_schedule(self) -> NewSchedule:
        """Return the domain's description of the schedule, not yet checked."""
        return self._new_schedule(Cron(**{name: getattr(self, name) for name in Cron.__struct_fields__}))


class CreateIntervalSchedule(_CreateSchedule, kw_only=True, tag="interval"):
    """A schedule with a fixed interval. The first snapshot is taken after one interval."""

    weeks: int | None = None
    days: int | None = None
    hours: int | None = None
    minutes: int | None = None

    def to_new_schedule(self) -> NewSchedule:
        """Return the domain's description of the schedule, not yet checked."""
        return self._new_schedule(Interval(**{name: getattr(self, name) for name in Interval.__struct_fields__}))


CreateSchedule = CreateCronSchedule | CreateIntervalSchedule


class UpdateSchedule(Struct, kw_only=True):
    """Changes of a schedule. Absent fields do not change; a different `type` resets the timing."""

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
    retention_time: RetentionTime | UnsetType = UNSET
    resource_name_template: Template | UnsetType = UNSET

    def changed_fields(self) -> dict[str, Any]:
        """Return the changes of the schedule's own fields."""
        changes = {name: value for name, value in sent_fields(self).items() if name not in TIMING_FIELDS}
        return changes | ({} if self.retention_time is UNSET else {"retention_time": self.retention_time.to_span()})

    def changed_timing_fields(self) -> dict[str, Any]:
        """Return the changes of its timing."""
        return {name: value for name, value in sent_fields(self).items() if name in TIMING_FIELDS}
