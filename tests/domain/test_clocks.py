"""How the clock of a cloud differs from that of the system."""

import pytest

from pileus.domain.clocks import LATEST, ClockSetting
from pileus.domain.errors import Invalid

SYSTEM = 1_700_000_000_000_000
LATER = SYSTEM + 10
FROZEN = ClockSetting(frozen_at=5, offset=5 - SYSTEM)
AHEAD = ClockSetting(offset=1000)


@pytest.mark.parametrize(
    ("setting", "time", "later"),
    [
        (ClockSetting(), SYSTEM, LATER),
        (FROZEN, 5, 5),
        (AHEAD, SYSTEM + 1000, LATER + 1000),
        (FROZEN.with_frozen(LATER, frozen=False), -5, 5),
        (AHEAD.with_frozen(LATER, frozen=True), LATER + 1000, LATER + 1000),
        (FROZEN.moved_to(7, LATER), 7, 7),
        (AHEAD.moved_to(7, LATER), -3, 7),
        (FROZEN.advanced_to(9, LATER), 9, 9),
        (AHEAD.advanced_to(LATER + 2000, LATER), SYSTEM + 2000, LATER + 2000),
    ],
)
def test_a_clock_stands_still_or_runs_ahead(setting: ClockSetting, time: int, later: int) -> None:
    assert (setting.time_at(SYSTEM), setting.time_at(LATER)) == (time, later)


def test_an_advance_skips_the_time_from_the_first_schedule_that_is_due() -> None:
    advanced = FROZEN.advanced_to(9, SYSTEM)

    assert [time for time in range(12) if advanced.has_skipped(time)] == [5, 6, 7, 8, 9]
    assert FROZEN.advanced_to(9, SYSTEM, due_since=3).has_skipped(3)
    assert not FROZEN.advanced_to(9, SYSTEM, due_since=7).has_skipped(4)


def test_a_clock_that_is_set_has_skipped_nothing() -> None:
    assert not FROZEN.advanced_to(9, SYSTEM).moved_to(9, SYSTEM).has_skipped(7)


@pytest.mark.parametrize("time", [-1, LATEST + 1])
def test_a_time_without_four_digits_of_a_year_is_refused(time: int) -> None:
    with pytest.raises(Invalid):
        FROZEN.moved_to(time, SYSTEM)
    with pytest.raises(Invalid):
        FROZEN.advanced_to(time, SYSTEM)
