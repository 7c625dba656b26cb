"""Freeze, set, advance and reset the clock of a simulated cloud."""

from pileus.domain.clocks import ClockSetting, check_clock_time
from pileus.domain.errors import Conflict
from pileus.store import clocks, retention
from pileus.store.database import Tx
from pileus.store.storage import schedules

MAX_SKIPPED_RUNS = 1000
"""The most runs of schedules that one advance skips, counted for each volume."""


async def set_clock(tx: Tx, time: int | None, system_time: int, *, frozen: bool | None) -> ClockSetting:
    """Set the clock to a time, and stop it or let it run; None leaves the time or that as it is. Raises Invalid."""
    before = after = await clocks.lock_setting(tx)
    if time is not None:
        after = after.moved_to(time, system_time)
    if frozen is not None:
        after = after.with_frozen(system_time, frozen=frozen)
    return await _save(tx, before, after, system_time)


async def advance_clock(tx: Tx, duration: int, system_time: int) -> ClockSetting:
    """Let time pass at once; runs of schedules in it are still to take place. Raises Invalid or Conflict."""
    before = await clocks.lock_setting(tx)
    now = before.time_at(system_time)
    check_clock_time("seconds", now + duration)
    await _check_skipped_runs(tx, now + duration)
    due_since = await schedules.find_first_due_time(tx, now)
    return await _save(tx, before, before.advanced_to(now + duration, system_time, due_since=due_since), system_time)


async def reset_clock(tx: Tx, system_time: int) -> ClockSetting:
    """Let the clock show the time of the system again."""
    return await _save(tx, await clocks.lock_setting(tx), ClockSetting(), system_time)


async def _save(tx: Tx, before: ClockSetting, after: ClockSetting, system_time: int) -> ClockSetting:
    await clocks.save_setting(tx, after)
    if (now := after.time_at(system_time)) < before.time_at(system_time):
        await retention.limit_times(tx, now)
        await schedules.limit_due_times(tx, now)
    return after


async def _check_skipped_runs(tx: Tx, until: int) -> None:
    count = 0
    for schedule, volume_count in await schedules.list_due_with_volume_counts(tx, until, MAX_SKIPPED_RUNS + 1):
        # A schedule without volumes runs too, and is planned anew each time.
        weight = max(1, volume_count)
        count += weight * schedule.count_runs(until, MAX_SKIPPED_RUNS // weight + 1)
        if count > MAX_SKIPPED_RUNS:
            raise Conflict(
                f"More than {MAX_SKIPPED_RUNS} snapshots of schedules are due in this time: advance the clock in "
                "shorter steps, or set it, which skips them"
            )
