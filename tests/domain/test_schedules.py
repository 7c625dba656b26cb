"""Schedules: next moments, names of snapshots, and invalid schedules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pileus.domain.errors import Invalid
from pileus.domain.storage.schedules import (
    MINUTE,
    UNITS,
    Cron,
    Interval,
    NewSchedule,
    Schedule,
    TimeSpan,
    max_snapshots_kept,
    patched_timing,
)
from tests.domain.builders import NOW, a_volume

MONDAY = "2026-11-23T10:17:30+00:00"


def moment_at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def format_moment(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def a_schedule(**changes: Any) -> Schedule:
    places = {"client_id": 1, "project_id": 1, "region_id": 1, "user_id": 1, "lifecycle_policy_id": 7}
    facts = {"id": "s-1", "timing": Interval(hours=1), "next_at": NOW, "created_at": NOW}
    return Schedule(**{**places, **facts, **changes})


@pytest.mark.parametrize(
    ("cron", "moment"),
    [
        (Cron(minute="30"), "2026-11-23 10:30:00"),
        (Cron(hour="0, 20", minute="30"), "2026-11-23 20:30:00"),
        (Cron(hour="3"), "2026-11-24 03:00:00"),
        (Cron(day_of_week="sun"), "2026-11-29 00:00:00"),
        (Cron(day="last"), "2026-11-30 00:00:00"),
        (Cron(week="53"), "2026-12-28 00:00:00"),
        (Cron(month="2", day="29", hour="4"), "2028-02-29 04:00:00"),
        (Cron(minute="*/20"), "2026-11-23 10:20:00"),
        (Cron(hour="3", timezone="Asia/Kolkata"), "2026-11-23 21:30:00"),
        (Cron(month="7", day="1", hour="12", timezone="Europe/Luxembourg"), "2027-07-01 10:00:00"),
    ],
)
def test_cron_returns_the_next_moment(cron: Cron, moment: str) -> None:
    cron.check_timing()

    assert format_moment(cron.next_run_at(NOW, moment_at(MONDAY))) == moment


def test_next_moment_is_after_now() -> None:
    cron, moment = Cron(hour="12"), moment_at("2026-11-23T12:00:00+00:00")

    assert format_moment(cron.next_run_at(moment, moment)) == "2026-11-24 12:00:00"
    assert format_moment(cron.next_run_at(moment, moment - 1)) == "2026-11-23 12:00:00"


@pytest.mark.parametrize("day", ["2027-03-27", "2027-10-30"])
def test_daylight_saving_skips_no_day(day: str) -> None:
    """In Luxembourg 02:30 does not exist on 28 March 2027 and exists twice on 31 October 2027."""
    cron, now, days = (
        Cron(hour="2", minute="30", timezone="Europe/Luxembourg"),
        moment_at(f"{day}T00:00:00+00:00"),
        set(),
    )

    for _ in range(5):
        now = cron.next_run_at(now, now) or 0
        days.add(str(format_moment(now))[:10])

    first = datetime.fromisoformat(day)
    assert {str(first + timedelta(days=number))[:10] for number in range(4)} <= days


@pytest.mark.parametrize(
    ("timing", "moments"),
    [
        ({"hour": "2", "minute": "30"}, ["2026-10-25 00:30:00", "2026-10-26 01:30:00"]),
        ({"hour": "2", "minute": "0, 59"}, ["2026-10-25 00:00:00", "2026-10-25 00:59:00", "2026-10-26 01:00:00"]),
        ({"hour": "1-3"}, ["2026-10-24 23:00:00", "2026-10-25 00:00:00", "2026-10-25 02:00:00"]),
        (
            {"minute": "30"},
            ["2026-10-24 22:30:00", "2026-10-24 23:30:00", "2026-10-25 00:30:00", "2026-10-25 01:30:00"],
        ),
        ({"hour": "*"}, ["2026-10-24 22:00:00", "2026-10-24 23:00:00", "2026-10-25 00:00:00", "2026-10-25 01:00:00"]),
        ({"day": "25"}, ["2026-10-24 22:00:00", "2026-11-24 23:00:00"]),
    ],
)
def test_an_hour_that_comes_again_is_used_once(timing: dict[str, str], moments: list[str]) -> None:
    """In Luxembourg 02:00 to 03:00 comes twice on 25 October 2026."""
    cron, now, runs = Cron(**timing, timezone="Europe/Luxembourg"), moment_at("2026-10-24T21:59:00+00:00"), []

    for _ in moments:
        now = cron.next_run_at(now, now) or 0
        runs.append(format_moment(now))

    assert runs == moments


def test_a_midnight_that_comes_again_is_used_once() -> None:
    """In Havana clocks go back from 01:00 to 00:00 on 1 November 2026."""
    cron, now = Cron(day="*", timezone="America/Havana"), moment_at("2026-10-31T05:00:00+00:00")

    first = cron.next_run_at(now, now) or 0

    assert format_moment(first) == "2026-11-01 04:00:00"
    assert format_moment(cron.next_run_at(first, first)) == "2026-11-02 05:00:00"


def test_interval_keeps_its_phase() -> None:
    hourly = Interval(hours=1)

    assert hourly.next_run_at(NOW, NOW) == NOW + 60 * MINUTE
    assert hourly.next_run_at(NOW, NOW + 60 * MINUTE) == NOW + 120 * MINUTE
    assert hourly.next_run_at(NOW, NOW + 1000 * MINUTE) == NOW + 1020 * MINUTE
    assert Interval(weeks=1, days=1, hours=1, minutes=1).microseconds == sum(UNITS.values())


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"timing": Cron()}, "minute"),
        ({"timing": Cron(timezone="UTC")}, "minute"),
        ({"timing": Cron(minute="60")}, "minute"),
        ({"timing": Cron(hour="noon")}, "hour"),
        ({"timing": Cron(day_of_week="monday")}, "day_of_week"),
        ({"timing": Cron(month="*/0")}, "month"),
        ({"timing": Cron(minute="1", timezone="Moon/Base")}, "timezone"),
        ({"timing": Cron(minute="1", timezone="../etc/passwd")}, "timezone"),
        ({"timing": Cron(minute="1", timezone="Europe")}, "timezone"),
        ({"timing": Cron(minute="1", timezone="\0")}, "timezone"),
        ({"timing": Cron(minute="1", timezone="x" * 5000)}, "timezone"),
        ({"timing": Cron(month="2", day="30")}, "type"),
        ({"timing": Interval()}, "minutes"),
        ({"timing": Interval(minutes=0)}, "minutes"),
        ({"timing": Interval(hours=2, minutes=-1)}, "minutes"),
        ({"timing": Interval(weeks=10**9)}, "minutes"),
        ({"timing": Interval(hours=1), "retention_time": TimeSpan()}, "retention_time"),
        ({"timing": Interval(hours=1), "resource_name_template": "of {volume}"}, "resource_name_template"),
    ],
)
def test_invalid_schedule_is_rejected_by_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        NewSchedule(**wrong).require_valid(NOW)

    assert list(refused.value.fields) == [field]


def test_a_schedule_in_a_time_zone_that_the_host_lacks_does_not_run() -> None:
    schedule = a_schedule(timing=Cron(minute="1", timezone="Moon/Base"))

    assert schedule.count_runs(NOW + UNITS["days"], 100) == 0
    with pytest.raises(Invalid, match="Moon/Base"):
        schedule.with_next_run(NOW)


def test_snapshot_names_are_filled_and_cut() -> None:
    template = "{volume_id} {schedule_id} {lifecycle_policy_id} {datetime_utc} {local_datetime} as {is"
    schedule = a_schedule(timing=Cron(hour="1", timezone="Asia/Tokyo"), resource_name_template=template)

    name = schedule.snapshot_name(a_volume(id="v-1"), moment_at(MONDAY))

    assert name == "v-1 s-1 7 2026-11-23 10:17:30 2026-11-23 19:17:30 as {is"
    long = a_schedule(resource_name_template="{volume_id}" * 10)
    assert len(long.snapshot_name(a_volume(id="v" * 36), NOW)) == 255


def test_patch_changes_only_its_fields_and_another_type_starts_empty() -> None:
    schedule = a_schedule(timing=Cron(hour="1", minute="5"))

    with_quantity = schedule.patched({"max_quantity": 9}, {}, NOW)
    with_hour = schedule.patched({}, {"hour": "2"}, moment_at(MONDAY))
    with_interval = schedule.patched({}, {"type": "interval", "days": 1}, NOW)

    assert (with_quantity.max_quantity, with_quantity.timing, with_quantity.next_at) == (9, schedule.timing, NOW)
    assert (with_hour.timing, format_moment(with_hour.next_at)) == (Cron(hour="2", minute="5"), "2026-11-24 02:05:00")
    assert (with_interval.timing, with_interval.next_at) == (Interval(days=1), NOW + UNITS["days"])
    assert a_schedule(next_at=None).patched({}, {"hours": 2}, NOW).next_at is None


def test_patch_with_fields_of_the_other_type_is_rejected() -> None:
    with pytest.raises(Invalid) as refused:
        patched_timing(Cron(hour="1"), {"days": 1})

    assert refused.value.fields == {"days": ["A schedule of type cron has no such field"]}


def test_kept_snapshots_of_schedules_add_up() -> None:
    assert max_snapshots_kept([a_schedule(max_quantity=3), a_schedule(max_quantity=4)]) == 7
