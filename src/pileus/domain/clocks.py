"""The clock of a simulated cloud: the time that clients see, which can be frozen, set and advanced.

All times are in microseconds since 1970.
"""

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import invalid

LATEST = 221_845_392_000_000_000
"""The end of the year 8999: periods of centuries still end in a year with four digits."""


class ClockSetting(Struct, frozen=True, kw_only=True):
    """How the clock differs from that of the system: it is ahead by `offset`, or stands still at `frozen_at`.

    The last advance has skipped the period from `skipped_from` to `skipped_to`. What was due in it is done at its own
    time, as if the period had passed.
    """

    offset: int = 0
    frozen_at: int | None = None
    skipped_from: int = 0
    skipped_to: int = 0

    @property
    def is_frozen(self) -> bool:
        """Whether the clock stands still."""
        return self.frozen_at is not None

    def time_at(self, system_time: int) -> int:
        """Return the time that the clock shows at a time of the system."""
        return system_time + self.offset if self.frozen_at is None else self.frozen_at

    def has_skipped(self, time: int) -> bool:
        """Return whether the last advance has skipped a time."""
        return self.skipped_from <= time <= self.skipped_to

    def with_frozen(self, system_time: int, *, frozen: bool) -> "ClockSetting":
        """Stop the clock, or let it continue, at the time that it shows."""
        time = self.time_at(system_time)
        return replace(self, frozen_at=time if frozen else None, offset=time - system_time)

    def moved_to(self, time: int, system_time: int) -> "ClockSetting":
        """Set the clock to a time, frozen or running as it was. Raises Invalid."""
        check_clock_time("time", time)
        return ClockSetting(frozen_at=time if self.is_frozen else None, offset=time - system_time)

    def advanced_to(self, time: int, system_time: int, *, due_since: int | None = None) -> "ClockSetting":
        """Let the time pass until `time`; `due_since` is the time of the first schedule that is due already."""
        now = self.time_at(system_time)
        skipped_from = now if due_since is None else min(now, due_since)
        return replace(self.moved_to(time, system_time), skipped_from=skipped_from, skipped_to=time)


def check_clock_time(field: str, time: int) -> None:
    """Check that a clock can show a time. Raises Invalid."""
    if not 0 <= time <= LATEST:
        raise invalid(**{field: "The clock shows times from 1970-01-01 to the end of 8999"})
