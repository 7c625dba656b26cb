"""Schedules: when snapshots are taken, their names, and their retention."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import asdict, replace

from pileus.domain.errors import Invalid, invalid
from pileus.domain.storage.volumes import Snapshot, Volume

MINUTE = 60_000_000
"""Microseconds."""
UNITS = {"weeks": 10080 * MINUTE, "days": 1440 * MINUTE, "hours": 60 * MINUTE, "minutes": MINUTE}
MAX_SPAN = 100 * 365 * UNITS["days"]
MAX_YEARS_AHEAD = 40
"""How far ahead a matching date is searched. A date that is not found by then (February 30) never comes."""
DEFAULT_TEMPLATE = "Snapshot of volume {volume_id} created by policy {lifecycle_policy_id}"
PLACEHOLDERS = ("volume_id", "schedule_id", "lifecycle_policy_id", "datetime_utc", "local_datetime")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MAX_NAME_LENGTH = 255


class TimeSpan(Struct, frozen=True, kw_only=True):
    """A duration. A unit that is None counts as 0."""

    weeks: int | None = None
    days: int | None = None
    hours: int | None = None
    minutes: int | None = None

    @property
    def microseconds(self) -> int:
        """The duration in microseconds."""
        return sum((getattr(self, unit) or 0) * length for unit, length in UNITS.items())

    def require_valid(self, field: str) -> "TimeSpan":
        """Return the span if it is from one minute to 100 years. Raises Invalid for `field`."""
        if any((getattr(self, unit) or 0) < 0 for unit in UNITS) or not MINUTE <= self.microseconds <= MAX_SPAN:
            raise invalid(
                **{field: f"{', '.join(UNITS)}: together they should be one minute or more, at most 100 years"}
            )
        return self


class Interval(TimeSpan, frozen=True, kw_only=True, tag="interval"):
    """A timing at regular intervals."""

    zone = UTC

    def check_timing(self) -> None:
        """Raise Invalid if the interval is too short or too long."""
        self.require_valid("minutes")

    def next_run_at(self, last: int, now: int) -> int | None:
        """Return the first moment after `now` that is a whole number of intervals after `last`."""
        return now + self.microseconds - (now - last) % self.microseconds


class Cron(Struct, frozen=True, kw_only=True, tag="cron"):
    """A cron timing. Units smaller than the smallest given one are at their first value, larger ones are any.

    In the night in which clocks go back, a schedule with hours runs once at each of them.
    """

    month: str | None = None
    week: str | None = None
    day: str | None = None
    day_of_week: str | None = None
    hour: str | None = None
    minute: str | None = None
    timezone: str | None = None

    @property
    def zone(self) -> tzinfo:
        """The time zone of its hours. Raises Invalid if this host does not know it, or no longer."""
        if self.timezone is None:
            return UTC
        try:
            return ZoneInfo(self.timezone)
        except (ValueError, KeyError, OSError):
            raise invalid(timezone=f"There is no time zone {self.timezone}; an example is Europe/Luxembourg") from None

    def check_timing(self) -> None:
        """Raise Invalid for an unknown time zone, an invalid expression, or none."""
        _ = self.zone
        for field, expression in self._calendar_fields().items():
            try:
                _make_trigger(UTC, {field: expression})
            except ValueError as error:
                raise invalid(**{field: str(error)}) from error
        if not self._calendar_fields():
            raise invalid(minute="A cron schedule needs one of month, week, day, day_of_week, hour and minute")

    def next_run_at(self, last: int, now: int) -> int | None:  # noqa: ARG002  # the signature of `Interval.next_run_at`
        """Return the first moment after `now`, or None if there is none within `MAX_YEARS_AHEAD`. Raises Invalid."""
        after = datetime.fromtimestamp(now / 1_000_000, self.zone)
        years = f"{after.year}-{after.year + MAX_YEARS_AHEAD}"
        trigger = _make_trigger(self.zone, {"year": years, **self._calendar_fields()})
        # The library adds a microsecond to the previous moment.
        moment = trigger.get_next_fire_time(after, after)
        while moment is not None and self._is_repeated(moment):
            moment = trigger.get_next_fire_time(moment, moment)
        return None if moment is None else round(moment.timestamp()) * 1_000_000

    def _is_repeated(self, moment: datetime) -> bool:
        """Return whether the hour of a schedule has been before, because the clocks have gone back.

        A schedule for every hour goes on in the repeated one, so that no hour is without a run.
        """
        is_hourly = self.hour == "*" or (self.hour is None and self.minute is not None)
        return not is_hourly and moment.astimezone(UTC).astimezone(self.zone).fold == 1

    def _calendar_fields(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self).items() if value is not None and name != "timezone"}


def _make_trigger(zone: tzinfo, fields: dict[str, str]) -> Any:
    """Return what finds the moments that fields match. Raises ValueError."""
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415  # few clouds have such schedules

    return CronTrigger(**fields, timezone=zone)


Timing = Cron | Interval


class NewSchedule(Struct, frozen=True, kw_only=True):
    """A requested schedule."""

    timing: Timing
    max_quantity: int = 2
    retention_time: TimeSpan | None = None
    resource_name_template: str = DEFAULT_TEMPLATE

    def require_valid(self, now: int) -> "NewSchedule":
        """Return the schedule if it is valid. Raises Invalid."""
        self.timing.check_timing()
        if self.timing.next_run_at(now, now) is None:
            raise invalid(type="The schedule never runs: check month, week, day and day_of_week")
        if self.retention_time is not None:
            self.retention_time.require_valid("retention_time")
        for placeholder in PLACEHOLDER.findall(self.resource_name_template):
            if placeholder not in PLACEHOLDERS:
                known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                raise invalid(resource_name_template=f"{{{placeholder}}} is not known; placeholders are {known}")
        return self


class Schedule(NewSchedule, frozen=True, kw_only=True):
    """A schedule of a policy; `next_at` is its next moment, or None while it is paused."""

    id: str
    client_id: int
    project_id: int
    region_id: int
    user_id: int
    lifecycle_policy_id: int
    next_at: int | None
    created_at: int
    revision: int = 1

    def with_next_run(self, now: int) -> "Schedule":
        """Set the next moment. Missed moments are skipped. Raises Invalid for a time zone that this host lacks."""
        return replace(self, next_at=self.timing.next_run_at(now if self.next_at is None else self.next_at, now))

    def count_runs(self, until: int, most: int) -> int:
        """Return how often the schedule runs until a time; counts up to `most`.

        One with a time zone that this host lacks does not run.
        """
        count, next_at = 0, self.next_at
        with suppress(Invalid):
            while next_at is not None and next_at <= until and count < most:
                next_at = self.timing.next_run_at(next_at, next_at)
                count += 1
        return count

    def paused(self) -> "Schedule":
        """Clear the next moment."""
        return replace(self, next_at=None)

    def patched(self, changes: Mapping[str, Any], timing: Mapping[str, Any], now: int) -> "Schedule":
        """Apply changes of the record and of its timing. Raises Invalid."""
        patched = replace(self, **changes, timing=patched_timing(self.timing, timing))
        patched.require_valid(now)
        if not timing or self.next_at is None:
            return patched
        return replace(patched, next_at=patched.timing.next_run_at(now, now))

    def surplus_snapshots(self, taken: Sequence[Snapshot], upcoming: int = 0) -> Sequence[Snapshot]:
        """Return the oldest snapshots of a volume beyond `max_quantity`, counting `upcoming` ones."""
        return taken[: max(0, len(taken) + upcoming - self.max_quantity)]

    def snapshot_name(self, volume: Volume, now: int) -> str:
        """Return the name of a snapshot, from the template."""
        moment = datetime.fromtimestamp(now // 1_000_000, UTC)
        values = {
            "volume_id": volume.id,
            "schedule_id": self.id,
            "lifecycle_policy_id": str(self.lifecycle_policy_id),
            "datetime_utc": moment.strftime("%Y-%m-%d %H:%M:%S"),
            "local_datetime": moment.astimezone(self.timing.zone).strftime("%Y-%m-%d %H:%M:%S"),
        }
        return PLACEHOLDER.sub(lambda blank: values[blank[1]], self.resource_name_template)[:MAX_NAME_LENGTH]


def patched_timing(timing: Timing, patch: Mapping[str, Any]) -> Timing:
    """Change fields of a timing; another `type` starts without fields. Raises Invalid for fields of the other type."""
    kinds: dict[str, type[Timing]] = {"cron": Cron, "interval": Interval}
    kind = kinds[patch["type"]] if "type" in patch else type(timing)
    fields = {name: value for name, value in patch.items() if name != "type"}
    unknown = [name for name in fields if name not in kind.__struct_fields__]
    if unknown:
        raise invalid(**dict.fromkeys(unknown, f"A schedule of type {kind.__name__.lower()} has no such field"))
    return replace(timing, **fields) if isinstance(timing, kind) else kind(**fields)


def max_snapshots_kept(schedules: Iterable[NewSchedule]) -> int:
    """Return how many snapshots of one volume the schedules keep at most."""
    return sum(schedule.max_quantity for schedule in schedules)
