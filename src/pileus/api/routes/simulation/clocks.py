"""The clock of the simulated cloud."""

from litestar import delete, get, post, put
from litestar.params import JSONBody
from msgspec import Struct

from pileus.api.authorization import CONTROL
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.times import SECOND, format_with_microseconds, parse_range_start
from pileus.domain.clocks import ClockSetting
from pileus.domain.errors import invalid
from pileus.services.clocks import advance_clock, reset_clock, set_clock
from pileus.store.database import Work

MAX_SECONDS = 300_000_000_000
"""More than the years that a clock can show."""


class SetClock(Struct, kw_only=True):
    """The time to show, in ISO 8601, and whether the clock stands still; what is absent stays as it is."""

    time: str | None = None
    frozen: bool | None = None


class AdvanceClock(Struct, kw_only=True):
    """The seconds that pass at once."""

    seconds: float

    @property
    def duration(self) -> int:
        """The microseconds. Raises Invalid."""
        if not 0 < self.seconds <= MAX_SECONDS:
            raise invalid(seconds=f"Input should be greater than 0 and at most {MAX_SECONDS}")
        return round(self.seconds * SECOND)


class ClockView(Struct, kw_only=True):
    """The time that the clock shows, whether it stands still, and how far it is ahead of the system's clock."""

    time: str
    frozen: bool
    offset_seconds: float


@get("/clock", opt=CONTROL)
async def get_clock(ctx: Ctx) -> ClockView:
    """Get the time of the cloud."""
    return _clock_view(ctx, ctx.app.clock.setting)


@put("/clock", opt=CONTROL)
async def update_clock(ctx: Ctx, data: JSONBody[SetClock]) -> ClockView:
    """Freeze the clock, set it, or let it run again.

    A clock that is set jumps: each schedule that became due in between runs once. The answer comes when that is done.
    """
    time, system_time = parse_range_start("time", data.time), ctx.app.clock.system_now()
    return await _change_clock(ctx, lambda tx: set_clock(tx, time, system_time, frozen=data.frozen))


@post("/clock/advance", opt=CONTROL, status_code=200)
async def pass_time(ctx: Ctx, data: JSONBody[AdvanceClock]) -> ClockView:
    """Let time pass at once: everything happens that would have happened in it, at its own time.

    Each run of a schedule takes place; an advance passes at most 1,000 of them, counted for each volume. The answer
    comes when they are done, after 25 seconds at the latest.
    """
    duration, system_time = data.duration, ctx.app.clock.system_now()
    return await _change_clock(ctx, lambda tx: advance_clock(tx, duration, system_time))


@delete("/clock", opt=CONTROL, status_code=200)
async def delete_clock_setting(ctx: Ctx) -> ClockView:
    """Let the clock show the real time again."""
    if ctx.app.clock.setting == ClockSetting():
        return _clock_view(ctx, ctx.app.clock.setting)
    return await _change_clock(ctx, lambda tx: reset_clock(tx, ctx.app.clock.system_now()))


async def _change_clock(ctx: RequestContext, change: Work[ClockSetting]) -> ClockView:
    setting = await ctx.change_controls(change)
    for run in ctx.app.due_jobs:
        await run()
    return _clock_view(ctx, setting)


def _clock_view(ctx: RequestContext, setting: ClockSetting) -> ClockView:
    system_time = ctx.app.clock.system_now()
    time = setting.time_at(system_time)
    return ClockView(
        time=f"{format_with_microseconds(time)}Z",
        frozen=setting.is_frozen,
        offset_seconds=(time - system_time) / SECOND,
    )


ROUTES = [get_clock, update_clock, pass_time, delete_clock_setting]
