"""What Octavia observes of load balancers: the statuses of members, and the traffic of listeners.

Requests of tenants read it, so an Octavia that hangs must neither take the threads of tasks nor make requests wait for
long: readings have threads of their own, a deadline, and a bound for each request, so that tenants take turns.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

from pileus.domain.load_balancers.parts import OperatingStatus
from pileus.drivers.openstack.cloud import Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.named_resources import NamedResources
from pileus.drivers.openstack.names import PREFIX
from pileus.drivers.openstack.octavia.changes import BALANCERS, ROOT, SERVICE
from pileus.drivers.openstack.octavia.load_balancers import KIND
from pileus.drivers.openstack.octavia.shared_readings import SharedReadings
from pileus.drivers.protocols.concurrency import run_for_each
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable
from pileus.drivers.protocols.load_balancers import BalancedTraffic

LOG = logging.getLogger(__name__)
READING_THREADS = 4
AT_ONCE = 2
"""How much one request reads at once."""
DEADLINE = 5.0
"""Seconds that a request waits for Octavia."""
SHARED_SECONDS = 2.0
"""How old a reading may be."""
MOST_IDS = 10_000
Statuses = dict[str, str]
Traffic = dict[str, BalancedTraffic]


class OctaviaReadings:
    """Reads statuses and counters."""

    def __init__(
        self, cloud: OpenstackCloud, seconds: float = DEADLINE, shared_seconds: float = SHARED_SECONDS
    ) -> None:
        self._cloud, self._seconds = cloud, seconds
        self._resources = NamedResources(cloud, KIND)
        self._statuses = SharedReadings(self._read_statuses, shared_seconds)
        self._traffic = SharedReadings(self._read_traffic, shared_seconds)
        self._engine_ids: dict[str, str] = {}
        """The ids in Octavia of load balancers that were found.

        All tenants share a project there, so a list of it would be longer than what one request needs.
        """

    async def member_statuses(self, load_balancer_ids: Sequence[str]) -> Statuses:
        """Return the operating status of each member; those of which Octavia says nothing in time are left out."""
        statuses: Statuses = {}
        problems: list[DriverError] = []

        async def note(load_balancer_id: str) -> None:
            try:
                statuses.update(await self._statuses.get(load_balancer_id))
            except OpenstackError as error:
                # The others may be known. An outage ends the reading.
                problems.append(error)

        try:
            async with self._deadline():
                await run_for_each(note, load_balancer_ids, at_once=AT_ONCE)
        except DriverUnreachable as error:
            problems.append(error)
        if problems:
            LOG.warning("The statuses of some members are not known: %s", problems[0])
        return statuses

    async def traffic_by_listener_id(self, load_balancer_id: str) -> Traffic:
        """Return the counters of each listener. Raises DriverError, also if Octavia does not answer in time."""
        async with self._deadline():
            return await self._traffic.get(load_balancer_id)

    async def require(self, load_balancer_id: str) -> None:
        """Raise DriverError if a load balancer does not exist."""
        if await self._resources.find(load_balancer_id) is None:
            raise DriverError(f"OpenStack has no load balancer {load_balancer_id}", retryable=False)

    def forget(self, load_balancer_id: str) -> None:
        """Read a load balancer anew next time, as it has changed."""
        self._engine_ids.pop(load_balancer_id, None)
        self._statuses.forget(load_balancer_id)
        self._traffic.forget(load_balancer_id)

    def close(self) -> None:
        """End the threads."""
        self._cloud.close()

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError as error:
            raise DriverUnreachable(f"Octavia does not answer within {self._seconds:g} seconds") from error

    async def _read_statuses(self, load_balancer_id: str) -> Statuses:
        tree = await self._find_status_tree(load_balancer_id)
        return {
            member["name"].removeprefix(PREFIX): member["operating_status"]
            for member in _members(tree)
            if member["operating_status"] in set(OperatingStatus)
        }

    async def _find_status_tree(self, load_balancer_id: str) -> Json | None:
        """Return the tree of a load balancer, or None. One that was replaced has another id now."""
        known_id = self._engine_ids.get(load_balancer_id)
        if known_id and (tree := await self._cloud.find(SERVICE, f"{BALANCERS}/{known_id}/status")):
            return tree
        balancer = await self._resources.find(load_balancer_id)
        self._engine_ids.pop(load_balancer_id, None)
        if balancer is None:
            return None
        if len(self._engine_ids) >= MOST_IDS:
            del self._engine_ids[next(iter(self._engine_ids))]
        self._engine_ids[load_balancer_id] = balancer["id"]
        return await self._cloud.find(SERVICE, f"{BALANCERS}/{balancer['id']}/status")

    async def _read_traffic(self, load_balancer_id: str) -> Traffic:
        balancer = await self._resources.find(load_balancer_id)
        if balancer is None:
            return {}
        params = {"loadbalancer_id": balancer["id"]}
        listeners = (await self._cloud.get(SERVICE, f"{ROOT}/listeners", **params))["listeners"]
        traffic: Traffic = {}

        async def note(listener: Json) -> None:
            answer = await self._cloud.find(SERVICE, f"{ROOT}/listeners/{listener['id']}/stats")
            if answer is not None:
                counters = {name: answer["stats"][name] for name in BalancedTraffic.__struct_fields__}
                traffic[listener["name"].removeprefix(PREFIX)] = BalancedTraffic(**counters)

        await run_for_each(note, listeners, at_once=AT_ONCE)
        return traffic


def _members(tree: Json | None) -> Iterator[Json]:
    balancer = tree["statuses"]["loadbalancer"] if tree else {}
    pools = [
        *balancer.get("pools", ()),
        *(pool for listener in balancer.get("listeners", ()) for pool in listener["pools"]),
    ]
    return (member for pool in pools for member in pool["members"])
