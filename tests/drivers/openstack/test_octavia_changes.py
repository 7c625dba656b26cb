"""Changes of load balancers that Octavia delays, or fails to make. No recording has any."""

from collections import deque
from typing import Any, cast

import pytest

from pileus.drivers.openstack.cloud import CONFLICT, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.octavia.changes import OctaviaChanges
from pileus.drivers.openstack.octavia.load_balancers import failed_names
from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import DriverError, NotYetDone


class ScriptedCloud:
    """Answers reads of a load balancer by these statuses, of which the last one stays, and refuses changes so often."""

    def __init__(self, *statuses: str, refusals: int = 0) -> None:
        self._statuses, self._refusals = deque(statuses), refusals
        self.changes: list[str] = []

    async def find(self, *_: str) -> dict[str, Any]:
        """Return the load balancer."""
        status = self._statuses.popleft() if len(self._statuses) > 1 else self._statuses[0]
        return {"loadbalancer": {"id": "1", "provisioning_status": status}}

    async def request(self, _: str, method: str, path: str, **__: object) -> dict[str, Any]:
        """Refuse a change, or make it."""
        if self._refusals:
            self._refusals -= 1
            raise OpenstackError("Load Balancer 1 is immutable", CONFLICT)
        self.changes.append(f"{method} {path}")
        return {"pool": {"id": "2"}}


def changes_in(cloud: ScriptedCloud, slot_timeout: float = 60) -> OctaviaChanges:
    """Return what changes a load balancer there."""
    waits = Waits(OpenstackSettings(poll_interval=0, slot_timeout=slot_timeout))
    return OctaviaChanges(cast("OpenstackCloud", cloud), waits, "1")


async def test_a_change_that_another_one_delays_is_sent_again() -> None:
    cloud = ScriptedCloud("PENDING_UPDATE", "PENDING_UPDATE", "ACTIVE", refusals=1)

    await changes_in(cloud).update("/pools/2", "pool", {"name": "web"})
    assert cloud.changes == ["PUT /lbaas/pools/2"]


async def test_a_creation_that_another_change_delays_is_not_sent_again() -> None:
    """The other change can be the same creation, whose answer was lost."""
    cloud = ScriptedCloud("PENDING_UPDATE", "PENDING_UPDATE", "ACTIVE", refusals=1)

    with pytest.raises(NotYetDone):
        await changes_in(cloud).create("/pools", "pool", {"name": "web"})
    assert cloud.changes == []


async def test_a_conflict_with_what_is_there_is_not_sent_again() -> None:
    cloud = ScriptedCloud("ACTIVE", refusals=1)

    with pytest.raises(OpenstackError, match="immutable"):
        await changes_in(cloud).update("/pools/2", "pool", {"name": "web"})
    assert cloud.changes == []


async def test_a_change_that_octavia_fails_to_make_is_an_error() -> None:
    with pytest.raises(DriverError, match="Octavia has failed to change the load balancer 1") as failure:
        await changes_in(ScriptedCloud("PENDING_UPDATE", "ERROR")).delete("/pools/2")
    assert failure.value.retryable


async def test_a_slow_change_lets_other_tasks_run() -> None:
    with pytest.raises(NotYetDone):
        await changes_in(ScriptedCloud("PENDING_UPDATE"), slot_timeout=0).delete("/pools/2")


def test_failed_parts_are_found_at_any_depth() -> None:
    member = {"id": "3", "name": "member", "provisioning_status": "ERROR"}
    monitor = {"id": "4", "name": "", "provisioning_status": "ERROR"}
    pool = {"id": "2", "name": "pool", "provisioning_status": "ACTIVE", "members": [member], "healthmonitor": monitor}
    tree = {"id": "1", "name": "web", "provisioning_status": "ACTIVE", "listeners": [{"id": "5", "pools": [pool]}]}

    assert set(failed_names(tree)) == {"member", "4"}
