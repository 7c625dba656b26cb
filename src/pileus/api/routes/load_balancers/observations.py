"""What drivers tell of load balancers, asked between the reads of a request: no transaction waits for a driver."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from pileus.api.context import RequestContext
from pileus.api.driver_errors import translate_driver_errors
from pileus.domain.errors import Unavailable
from pileus.drivers.protocols.concurrency import run_for_each
from pileus.drivers.protocols.load_balancers import BalancedTraffic, ObservesMembers, SupportsLoadBalancers
from pileus.store.database import Tx

AT_ONCE = 4
"""Of how many load balancers a request reads the counters at once."""
LONGEST_READING = 20.0
T = TypeVar("T")
Begin = Callable[[], AbstractAsyncContextManager[Tx]]
Traffic = dict[str, BalancedTraffic]
"""Counters by the ids of listeners."""


class Observations:
    """What the driver has told. What is asked for and not known yet is noted, and missing in the answer."""

    def __init__(self, ctx: RequestContext) -> None:
        self._ctx = ctx
        self._member_statuses: dict[str, str] = {}
        self._traffic: dict[str, Traffic] = {}
        self._observed: set[str] = set()
        self._unobserved: set[str] = set()
        self._unmeasured: set[str] = set()

    def member_statuses(self, load_balancer_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the statuses of the members of load balancers that the driver observes itself, by id."""
        if isinstance(self._ctx.driver, ObservesMembers):
            self._unobserved.update(set(load_balancer_ids) - self._observed)
        return self._member_statuses

    def traffic_of(self, load_balancer_id: str) -> Traffic:
        """Return the counters of a load balancer."""
        if load_balancer_id in self._traffic:
            return self._traffic[load_balancer_id]
        self._unmeasured.add(load_balancer_id)
        return {}

    async def ask(self) -> bool:
        """Ask the driver for what is missing; return whether anything was. Raises Unavailable or Conflict."""
        unobserved, unmeasured = sorted(self._unobserved), sorted(self._unmeasured)
        if unobserved and isinstance(self._ctx.driver, ObservesMembers):
            self._member_statuses |= await self._ctx.driver.member_statuses(unobserved)
        try:
            async with asyncio.timeout(LONGEST_READING):
                await run_for_each(self._measure, unmeasured, at_once=AT_ONCE)
        except TimeoutError as error:
            raise Unavailable(f"The counters were not read within {LONGEST_READING:g} seconds") from error
        self._observed.update(unobserved)
        self._unobserved.clear()
        self._unmeasured.clear()
        return bool(unobserved or unmeasured)

    async def _measure(self, load_balancer_id: str) -> None:
        driver = require_load_balancer_driver(self._ctx)
        with translate_driver_errors():
            self._traffic[load_balancer_id] = await driver.traffic_by_listener_id(load_balancer_id)


async def read_observed(ctx: RequestContext, begin: Begin, read: Callable[[Tx, Observations], Awaitable[T]]) -> T:
    """Return the result of a read that uses observations; it is read again when the driver has told what it misses."""
    observations = Observations(ctx)
    while True:
        async with begin() as tx:
            result = await read(tx, observations)
        if not await observations.ask():
            return result


def require_load_balancer_driver(ctx: RequestContext) -> SupportsLoadBalancers:
    """Return the driver of load balancers. Raises Unavailable."""
    if not isinstance(ctx.driver, SupportsLoadBalancers):
        raise Unavailable("The driver of this region has no load balancers")
    return ctx.driver
