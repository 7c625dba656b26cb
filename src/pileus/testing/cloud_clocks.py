"""The clock of a test cloud."""

from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx

from pileus.testing.injected_faults import send_control_request

PATH = "/_pileus/clock"
Moment = str | date | datetime
"""A time in ISO 8601, or an object; without a time zone it is in UTC."""


class ClockChange:
    """A change of the clock that lasts until the next one, or until the `with` block ends."""

    def __init__(self, clock: "CloudClockControl", before: dict[str, Any]) -> None:
        self._clock, self._before = clock, before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.restore(self._before)


class CloudClockControl:
    """Freezes, sets and advances the clock of a cloud.

    A wrong time raises ValueError with the server's reason. Each change can be a context
    manager, which restores the clock as it was.
    """

    def __init__(self, operator: httpx.Client) -> None:
        self._operator = operator

    def now(self) -> datetime:
        """Return the time of the cloud."""
        return datetime.fromisoformat(self._read()["time"])

    def freeze(self, at: Moment | None = None) -> ClockChange:
        """Stop the clock at a time; if None, at the time that it shows."""
        return self._update(frozen=True, **_time_field(at))

    def set(self, to: Moment) -> ClockChange:
        """Set the clock to a time, frozen or running as it is."""
        return self._update(**_time_field(to))

    def resume(self) -> ClockChange:
        """Let a frozen clock run again, from the time that it shows."""
        return self._update(frozen=False)

    def advance(self, duration: timedelta | None = None, **units: float) -> ClockChange:
        """Let time pass at once: `advance(days=3)`, or a timedelta. Schedules run as if it had passed."""
        total = (duration or timedelta()) + timedelta(**units)
        before = self._read()
        seconds = total.total_seconds()
        send_control_request(self._operator, "POST", f"{PATH}/advance", json={"seconds": seconds})
        return ClockChange(self, before)

    def reset(self) -> None:
        """Let the clock show the real time again."""
        send_control_request(self._operator, "DELETE", PATH)

    def restore(self, state: dict[str, Any]) -> None:
        """Let the clock be as it was: frozen at its time, or ahead of the real time by its offset."""
        if state["frozen"]:
            self._put(time=state["time"], frozen=True)
        elif state["offset_seconds"]:
            time = datetime.now(UTC) + timedelta(seconds=state["offset_seconds"])
            self._put(time=time.isoformat(), frozen=False)
        else:
            self.reset()

    def _update(self, **changes: Any) -> ClockChange:
        before = self._read()
        self._put(**changes)
        return ClockChange(self, before)

    def _read(self) -> dict[str, Any]:
        state: dict[str, Any] = self._operator.get(PATH).raise_for_status().json()
        return state

    def _put(self, **changes: Any) -> None:
        send_control_request(self._operator, "PUT", PATH, json=changes)


def _time_field(moment: Moment | None) -> dict[str, str]:
    if moment is None:
        return {}
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return {"time": moment if isinstance(moment, str) else moment.isoformat()}
