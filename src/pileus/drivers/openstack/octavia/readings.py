"""What Octavia observes of load balancers: the statuses of members, and the traffic of listeners."""

import asyncio
import logging
from collections.abc import Iterator, Sequence

from pileus.domain.load_balancers.parts import OperatingStatus
from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.names import PREFIX
from pileus.drivers.openstack.octavia.changes import BALANCERS, ROOT, SERVICE
from pileus.drivers.openstack.octavia.load_balancers import OctaviaLoadBalancers
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable
from pileus.drivers.protocols.load_balancers import BalancedTraffic

LOG = logging.getLogger(__name__)


class OctaviaReadings:
    """Reads statuses and counters."""

    def __init__(self, cloud: OpenstackCloud, balancers: OctaviaLoadBalancers) -> None:
        self._cloud, self._balancers = cloud, balancers

    async def member_statuses(self, load_balancer_ids: Sequence[str]) -> dict[str, str]:
        """Return the operating status of each member; none are known while Octavia does not answer."""
        try:
            trees = await asyncio.gather(*map(self._find_status_tree, load_balancer_ids))
        except DriverUnreachable as problem:
            LOG.warning("The statuses of members are not known: %s", problem)
            return {}
        return {
            member["name"].removeprefix(PREFIX): member["operating_status"]
            for tree in trees
            for member in _members(tree)
            if member["operating_status"] in set(OperatingStatus)
        }

    async def traffic_by_listener_id(self, load_balancer_id: str) -> dict[str, BalancedTraffic]:
        """Return the counters of each listener."""
        balancer = await self._balancers.find(load_balancer_id)
        if balancer is None:
            return {}
        params = {"loadbalancer_id": balancer["id"]}
        listeners = (await self._cloud.get(SERVICE, f"{ROOT}/listeners", **params))["listeners"]
        counters = await asyncio.gather(*(self._find_counters(listener["id"]) for listener in listeners))
        return {
            listener["name"].removeprefix(PREFIX): traffic
            for listener, traffic in zip(listeners, counters, strict=True)
            if traffic is not None
        }

    async def require(self, load_balancer_id: str) -> None:
        """Raise DriverError if a load balancer does not exist."""
        if await self._balancers.find(load_balancer_id) is None:
            raise DriverError(f"OpenStack has no load balancer {load_balancer_id}", retryable=False)

    async def _find_status_tree(self, load_balancer_id: str) -> Json | None:
        balancer = await self._balancers.find(load_balancer_id)
        return balancer and await self._cloud.find(SERVICE, f"{BALANCERS}/{balancer['id']}/status")

    async def _find_counters(self, listener_id: str) -> BalancedTraffic | None:
        answer = await self._cloud.find(SERVICE, f"{ROOT}/listeners/{listener_id}/stats")
        if answer is None:
            return None
        return BalancedTraffic(**{name: answer["stats"][name] for name in BalancedTraffic.__struct_fields__})


def _members(tree: Json | None) -> Iterator[Json]:
    balancer = tree["statuses"]["loadbalancer"] if tree else {}
    pools = [
        *balancer.get("pools", ()),
        *(pool for listener in balancer.get("listeners", ()) for pool in listener["pools"]),
    ]
    return (member for pool in pools for member in pool["members"])
