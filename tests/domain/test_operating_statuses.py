"""Operating statuses: what a health monitor sees of an outage, and what follows for pools and load balancers."""

from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.load_balancers.operating_statuses import (
    SECOND,
    Outage,
    load_balancer_status,
    member_status,
    part_status,
    pool_status,
)
from pileus.domain.load_balancers.parts import OperatingStatus
from tests.domain.builders import NOW
from tests.domain.load_balancers import a_member, a_monitor, a_pool
from tests.load_balancers import a_listener, a_load_balancer

# The monitor checks every 10 seconds: it notices an outage after 3 checks, and its end after 2.
ONLINE, ERROR = OperatingStatus.ONLINE, OperatingStatus.ERROR


def after(seconds: float) -> int:
    """Return a time after the creation of member and monitor."""
    return NOW + round(seconds * SECOND)


def an_outage(began: float, ended: float | None = None) -> Outage:
    """Return an outage by the seconds since the creation of member and monitor."""
    return Outage(began_at=after(began), ended_at=None if ended is None else after(ended))


@pytest.mark.parametrize(
    ("outage", "now", "status"),
    [
        (an_outage(100), 100, ONLINE),
        (an_outage(100), 129.9, ONLINE),
        (an_outage(100), 130, ERROR),
        (an_outage(100), 9999, ERROR),
        (an_outage(100, 129), 135, ONLINE),
        (an_outage(100, 130), 149, ERROR),
        (an_outage(100, 130), 150, ONLINE),
        (an_outage(100, 900), 919.9, ERROR),
        (an_outage(100, 900), 920, ONLINE),
        # The monitor is younger than the outage.
        (an_outage(-500), 29.9, ONLINE),
        (an_outage(-500), 30, ERROR),
        (an_outage(-500, 29), 29.5, ONLINE),
    ],
)
def test_a_monitor_notices_an_outage_and_its_end_after_its_retries(
    outage: Outage, now: float, status: OperatingStatus
) -> None:
    assert member_status(a_member(), a_monitor(), [outage], after(now)) == status


def test_any_of_several_outages_counts() -> None:
    outages = [an_outage(0, 5), an_outage(10)]

    assert member_status(a_member(), a_monitor(), outages, after(39)) == ONLINE
    assert member_status(a_member(), a_monitor(), outages, after(40)) == ERROR


@pytest.mark.parametrize(
    ("changes", "monitor", "status"),
    [
        ({}, None, "NO_MONITOR"),
        ({}, a_monitor(admin_state_up=False), "NO_MONITOR"),
        ({}, a_monitor(provisioning_status="PENDING_CREATE"), "NO_MONITOR"),
        ({"admin_state_up": False}, a_monitor(), "OFFLINE"),
        ({"provisioning_status": "PENDING_CREATE"}, None, "OFFLINE"),
        ({"provisioning_status": "PENDING_UPDATE"}, a_monitor(), "ERROR"),
    ],
)
def test_a_member_without_checks_has_no_health(changes: dict[str, Any], monitor: Any, status: str) -> None:
    assert member_status(replace(a_member(), **changes), monitor, [an_outage(-500)], after(900)) == status


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ([], "ONLINE"),
        (["NO_MONITOR", "NO_MONITOR"], "ONLINE"),
        (["ONLINE", "ONLINE"], "ONLINE"),
        (["ONLINE", "ERROR"], "DEGRADED"),
        (["ERROR", "ERROR"], "ERROR"),
        (["ERROR", "OFFLINE"], "ERROR"),
        (["OFFLINE"], "ONLINE"),
    ],
)
def test_a_pool_follows_its_members(members: list[str], status: str) -> None:
    statuses = [OperatingStatus(member) for member in members]

    assert pool_status(a_pool(), statuses, serves=True) == status
    assert pool_status(a_pool(), statuses, serves=False) == "OFFLINE"
    assert pool_status(a_pool(admin_state_up=False), statuses, serves=True) == "OFFLINE"


@pytest.mark.parametrize(
    ("pools", "status"),
    [
        ([], "ONLINE"),
        (["ONLINE", "OFFLINE"], "ONLINE"),
        (["ONLINE", "DEGRADED"], "DEGRADED"),
        (["DEGRADED", "ERROR"], "ERROR"),
    ],
)
def test_a_load_balancer_has_the_worst_status_of_its_pools(pools: list[str], status: str) -> None:
    statuses = [OperatingStatus(pool) for pool in pools]

    assert load_balancer_status(a_load_balancer(), statuses) == status
    assert load_balancer_status(a_load_balancer(admin_state_up=False), statuses) == "OFFLINE"


def test_other_parts_are_online_unless_they_are_disabled_or_new() -> None:
    assert part_status(a_listener()) == "ONLINE"
    assert part_status(a_listener(admin_state_up=False)) == "OFFLINE"
    assert part_status(a_listener(provisioning_status="PENDING_CREATE")) == "OFFLINE"
