"""What requests read from Octavia: bounded, shared, and without what Octavia does not tell."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest

from pileus.drivers.openstack import cloud as cloud_module
from pileus.drivers.openstack.cloud import FORBIDDEN, NOT_FOUND, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.octavia.readings import AT_ONCE, OctaviaReadings
from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.protocols.errors import DriverUnreachable
from pileus.drivers.protocols.load_balancers import BalancedTraffic

Json = dict[str, Any]
SOON = 0.05


class ObservedOctavia:
    """Load balancers with a member and a listener each. It hangs, or refuses, where `trouble` says so."""

    def __init__(self, trouble: Callable[[str], Exception | None] = lambda _: None, *, hangs: bool = False) -> None:
        self.trouble, self.hangs = trouble, hangs
        self.asked: Counter[str] = Counter()
        self.engine_id = "one"
        self.under_way = self.most_under_way = 0

    async def get(self, _: str, path: str, **params: str) -> Json:
        """Answer a request."""
        kind = path.rpartition("/")[2]
        self.asked[kind] += 1
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            await asyncio.sleep(1000 if self.hangs and kind in {"status", "stats"} else 0)
        finally:
            self.under_way -= 1
        if kind == "loadbalancers":
            return {kind: [{"id": f"{self.engine_id} of {params['name'].removeprefix('pileus-')}"}]}
        if problem := self.trouble(path):
            raise problem
        if kind == "listeners":
            return {kind: [{"id": "listener", "name": "pileus-listener"}]}
        if kind == "stats":
            return {kind: dict.fromkeys(BalancedTraffic.__struct_fields__, 1)}
        name = path.split("/")[-2].removeprefix(f"{self.engine_id} of ")
        member = {"name": f"pileus-member of {name}", "operating_status": "ONLINE"}
        return {"statuses": {"loadbalancer": {"pools": [{"members": [member]}]}}}

    async def find(self, service: str, path: str, **params: str) -> Json | None:
        """Answer a request for what may not be there."""
        try:
            return await self.get(service, path, **params)
        except OpenstackError as error:
            if error.status_code == NOT_FOUND:
                return None
            raise


def readings_of(octavia: ObservedOctavia, shared_seconds: float = 60) -> OctaviaReadings:
    """Return what reads there."""
    return OctaviaReadings(cast("OpenstackCloud", octavia), SOON if octavia.hangs else 60, shared_seconds)


async def test_a_request_reads_few_at_once_and_waits_for_a_while() -> None:
    octavia = ObservedOctavia(hangs=True)

    assert await readings_of(octavia).member_statuses([str(number) for number in range(50)]) == {}
    assert octavia.most_under_way <= AT_ONCE
    assert octavia.asked["status"] <= AT_ONCE
    assert octavia.under_way == 0


async def test_a_refusal_hides_the_members_of_one_load_balancer_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(path: str) -> Exception | None:
        return OpenstackError("no right", FORBIDDEN) if "of 1" in path else None

    with caplog.at_level(logging.WARNING):
        statuses = await readings_of(ObservedOctavia(refuse)).member_statuses([str(number) for number in range(20)])

    assert statuses.keys() == {f"member of {number}" for number in (0, *range(2, 10))}
    assert [record.getMessage() for record in caplog.records] == [
        "The statuses of some members are not known: no right"
    ]


async def test_an_outage_ends_the_reading_and_keeps_what_is_known() -> None:
    def fail(path: str) -> Exception | None:
        return DriverUnreachable("stopped") if "of 07" in path else None

    octavia = ObservedOctavia(fail)
    statuses = await readings_of(octavia).member_statuses([f"{number:02}" for number in range(50)])

    assert set(statuses) >= {f"member of {number:02}" for number in range(6)}
    assert len(statuses) < 10
    assert octavia.asked["status"] < 12


async def test_requests_at_the_same_time_share_a_reading() -> None:
    octavia = ObservedOctavia()
    readings = readings_of(octavia)
    await asyncio.gather(*(readings.member_statuses(["1", "2"]) for _ in range(20)))
    await asyncio.gather(*(readings.traffic_by_listener_id("1") for _ in range(20)))

    assert octavia.asked == {"loadbalancers": 3, "status": 2, "listeners": 1, "stats": 1}
    readings.forget("1")
    await readings.member_statuses(["1", "2"])
    assert octavia.asked["status"] == 3


async def test_an_id_is_looked_up_once_until_there_is_another_load_balancer() -> None:
    octavia = ObservedOctavia(lambda path: OpenstackError("gone", NOT_FOUND) if "old of" in path else None)
    readings = readings_of(octavia, shared_seconds=0)
    for _ in range(3):
        assert await readings.member_statuses(["1"]) == {"member of 1": "ONLINE"}
    assert (octavia.asked["loadbalancers"], octavia.asked["status"]) == (1, 3)

    octavia.trouble = lambda path: OpenstackError("gone", NOT_FOUND) if "one of" in path else None
    octavia.engine_id = "two"
    assert await readings.member_statuses(["1"]) == {"member of 1": "ONLINE"}
    assert octavia.asked["loadbalancers"] == 2


async def test_counters_that_do_not_come_in_time_are_an_outage() -> None:
    octavia = ObservedOctavia(hangs=True)

    with pytest.raises(DriverUnreachable, match="within"):
        await readings_of(octavia).traffic_by_listener_id("1")
    assert octavia.under_way == 0


async def test_readings_that_hang_hold_up_no_other_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_module, "load_cloud_region", lambda _: None)
    cloud, released = OpenstackCloud(OpenstackSettings(threads=1)), threading.Event()

    def send(_: OpenstackCloud, _service: str, _method: str, path: str, _arguments: Json) -> Json:
        if path == "/slow":
            released.wait()
        return {"path": path}

    monkeypatch.setattr(OpenstackCloud, "_send", send)
    readings = cloud.with_own_threads(1)
    hanging = asyncio.create_task(readings.get("load-balancer", "/slow"))
    assert await cloud.get("compute", "/quick") == {"path": "/quick"}
    assert not hanging.done()

    released.set()
    assert await hanging == {"path": "/slow"}
    readings.close()
    cloud.close()
