"""Schedules: when snapshots are taken, what they are called, and how long and how many of them are kept."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from msgspec import Struct
from msgspec.structs import asdict, replace

from pileus.domain.errors import invalid
from pileus.domain.storage.volumes import Snapshot, Volume

MINUTE = 60_000_000
"""Microseconds."""
UNITS = {"weeks": 10080 * MINUTE, "days": 1440 * MINUTE, "hours": 60 * MINUTE, "minutes": MINUTE}
MAX_SPAN = 100 * 365 * UNITS["days"]
MAX_YEARS_AHEAD = 40
"""How far a calendar is looked through: what does not come in that time (the 30th of February) never does."""
MAX_SCHEDULES = 10
"""Of one policy."""
DEFAULT_TEMPLATE = "Snapshot of volume {volume_id} created by policy {lifecycle_policy_id}"
PLACEHOLDERS = ("volume_id", "schedule_id", "lifecycle_policy_id", "datetime_utc", "local_datetime")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MAX_NAME_LENGTH = 255


class Span(Struct, frozen=True, kw_only=True):
    """A length of time; what is not given is nothing."""

    weeks: int | None = None
    days: int | None = None
    hours: int | None = None
    minutes: int | None = None

    @property
    def length(self) -> int:
        """In microseconds."""
        return sum((getattr(self, unit) or 0) * length for unit, length in UNITS.items())

    def require_valid(self, field: str) -> "Span":
        """Itself if it lasts; raises Invalid, which names `field`, if it is less than a minute or more than an age."""
        if any((getattr(self, unit) or 0) < 0 for unit in UNITS) or not MINUTE <= self.length <= MAX_SPAN:
            raise invalid(
                **{field: f"{', '.join(UNITS)}: together they should be one minute or more, at most 100 years"}
            )
        return self


class Interval(Span, frozen=True, kw_only=True, tag="interval"):
    """Again and again after the same time."""

    zone = UTC

    def check(self) -> None:
        """Raise Invalid if it is no time at all."""
        self.require_valid("minutes")

    def next_moment(self, last: int, now: int) -> int | None:
        """The first moment after `now` that is a number of intervals after the `last` one."""
        return now + self.length - (now - last) % self.length


class Cron(Struct, frozen=True, kw_only=True, tag="cron"):
    """At moments of the calendar; smaller units than the smallest that is given are their first, larger ones any."""

    month: str | None = None
    week: str | None = None
    day: str | None = None
    day_of_week: str | None = None
    hour: str | None = None
    minute: str | None = None
    timezone: str | None = None

    @property
    def zone(self) -> tzinfo:
        """Where its hours are meant."""
        return UTC if self.timezone is None else ZoneInfo(self.timezone)

    def check(self) -> None:
        """Raise Invalid, which names the field, for what cannot be read and for moments that never come."""
        try:
            ZoneInfo(self.timezone or "UTC")
        except (ValueError, KeyError, OSError):
            raise invalid(timezone=f"There is no time zone {self.timezone}: Europe/Luxembourg is one") from None
        for field, expression in self._given().items():
            try:
                CronTrigger(**{field: expression}, timezone=UTC)
            except ValueError as error:
                raise invalid(**{field: str(error)}) from error
        if not self._given():
            raise invalid(minute="A cron schedule needs one of month, week, day, day_of_week, hour and minute")

    def next_moment(self, last: int, now: int) -> int | None:  # noqa: ARG002  # an interval needs it
        """The first moment after `now`; None if there is none in the next decades."""
        after = datetime.fromtimestamp(now / 1_000_000, self.zone)
        years = f"{after.year}-{after.year + MAX_YEARS_AHEAD}"
        # The library looks a microsecond ahead of the moment that it is told was the last.
        found = CronTrigger(year=years, **self._given(), timezone=self.zone).get_next_fire_time(after, after)
        return None if found is None else round(found.timestamp()) * 1_000_000

    def _given(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self).items() if value is not None and name != "timezone"}


Timing = Cron | Interval


class NewSchedule(Struct, frozen=True, kw_only=True):
    """A schedule that is asked for."""

    timing: Timing
    max_quantity: int = 2
    retention_time: Span | None = None
    resource_name_template: str = DEFAULT_TEMPLATE

    def require_valid(self, now: int) -> "NewSchedule":
        """Itself if it can be kept; raises Invalid, which names the field."""
        self.timing.check()
        if self.timing.next_moment(now, now) is None:
            raise invalid(type="No moment is ever like this: check month, week, day and day_of_week")
        if self.retention_time is not None:
            self.retention_time.require_valid("retention_time")
        for blank in PLACEHOLDER.findall(self.resource_name_template):
            if blank not in PLACEHOLDERS:
                known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                raise invalid(resource_name_template=f"{{{blank}}} is not known: there are {known}")
        return self


class Schedule(NewSchedule, frozen=True, kw_only=True):
    """A schedule of a policy; `next_at` is the moment that it waits for, if it does."""

    id: str
    client_id: int
    project_id: int
    region_id: int
    user_id: int
    lifecycle_policy_id: int
    next_at: int | None
    created_at: int
    revision: int = 1

    def armed(self, now: int) -> "Schedule":
        """Wait for the next moment; those that have passed meanwhile are not made up for."""
        return replace(self, next_at=self.timing.next_moment(now if self.next_at is None else self.next_at, now))

    def paused(self) -> "Schedule":
        """Wait for nothing."""
        return replace(self, next_at=None)

    def patched(self, changes: Mapping[str, Any], timing: Mapping[str, Any], now: int) -> "Schedule":
        """Apply a patch: fields of the record, and fields of its timing; raises Invalid."""
        after = replace(self, **changes, timing=with_timing(self.timing, timing))
        after.require_valid(now)
        if not timing or self.next_at is None:
            return after
        return replace(after, next_at=after.timing.next_moment(now, now))

    def surplus_snapshots(self, taken: Sequence[Snapshot], upcoming: int = 0) -> Sequence[Snapshot]:
        """The oldest of what it has taken of a volume, where there are more than it keeps, with those to come."""
        return taken[: max(0, len(taken) + upcoming - self.max_quantity)]

    def snapshot_name(self, volume: Volume, now: int) -> str:
        """What a snapshot is called."""
        moment = datetime.fromtimestamp(now // 1_000_000, UTC)
        told = {
            "volume_id": volume.id,
            "schedule_id": self.id,
            "lifecycle_policy_id": str(self.lifecycle_policy_id),
            "datetime_utc": moment.strftime("%Y-%m-%d %H:%M:%S"),
            "local_datetime": moment.astimezone(self.timing.zone).strftime("%Y-%m-%d %H:%M:%S"),
        }
        return PLACEHOLDER.sub(lambda blank: told[blank[1]], self.resource_name_template)[:MAX_NAME_LENGTH]


def with_timing(before: Timing, patch: Mapping[str, Any]) -> Timing:
    """A timing with other fields; one of another `type` starts from nothing. Raises Invalid for the other's fields."""
    kinds: dict[str, type[Timing]] = {"cron": Cron, "interval": Interval}
    kind = kinds[patch["type"]] if "type" in patch else type(before)
    wanted = {name: value for name, value in patch.items() if name != "type"}
    strange = [name for name in wanted if name not in kind.__struct_fields__]
    if strange:
        raise invalid(**dict.fromkeys(strange, f"A schedule of type {kind.__name__.lower()} has no such field"))
    return replace(before, **wanted) if isinstance(before, kind) else kind(**wanted)


def max_snapshots_kept(schedules: Iterable[NewSchedule]) -> int:
    """How many snapshots of one volume schedules keep at most, all together."""
    return sum(schedule.max_quantity for schedule in schedules)
