"""Read the contents of pools with the operating statuses of their parts, and the statuses of load balancers.

The statuses of the simulated cloud follow from the records at the time of the request: nothing has to be written when a
monitor notices something. Other drivers tell what they observe.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from pileus.api.context import RequestContext
from pileus.api.routes.load_balancers.observations import Observations
from pileus.domain.load_balancers.health_monitors import HealthMonitor
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.members import Member
from pileus.domain.load_balancers.operating_statuses import (
    MemberTarget,
    load_balancer_status,
    member_status,
    observed_member_status,
    outages_of_member,
    part_status,
    pool_status,
)
from pileus.domain.load_balancers.parts import OperatingStatus
from pileus.domain.load_balancers.pools import Pool
from pileus.drivers.protocols.compute import SupportsSimulation
from pileus.store.database import Tx
from pileus.store.load_balancers import health_monitors, member_targets, members, pools


class PoolContents(Struct, frozen=True, kw_only=True):
    """A pool with the listeners that use it, its members, its monitor, and the operating statuses of all by id."""

    pool: Pool
    listener_ids: Sequence[str]
    members: Sequence[Member]
    monitor: HealthMonitor | None
    statuses: dict[str, str]

    @property
    def status(self) -> str:
        """The operating status of the pool itself."""
        return self.statuses[self.pool.id]


async def read_pool_contents(
    tx: Tx, ctx: RequestContext, observations: Observations, records: Sequence[Pool]
) -> list[PoolContents]:
    """Return the contents of pools, in the same order."""
    ids = [pool.id for pool in records]
    monitors, users = await health_monitors.list_by_pools(tx, ids), await pools.list_users(tx, ids)
    members_by_pool, targets = await members.list_by_pools(tx, ids), await _read_targets(tx, ctx, list(monitors))
    observed = observations.member_statuses(pool.load_balancer_id for pool in records)
    contents = []
    for pool in records:
        monitor, pool_members = monitors.get(pool.id), members_by_pool[pool.id]
        statuses = _member_statuses(ctx, pool_members, monitor, targets, observed)
        serves = any(user.is_running for user in users[pool.id])
        own_statuses = {pool.id: pool_status(pool, statuses.values(), serves=serves)}
        monitor_statuses = {} if monitor is None else {monitor.id: part_status(monitor)}
        contents.append(
            PoolContents(
                pool=pool,
                listener_ids=[user.listener_id for user in users[pool.id]],
                members=pool_members,
                monitor=monitor,
                statuses={**statuses, **monitor_statuses, **own_statuses},
            )
        )
    return contents


async def read_load_balancer_statuses(
    tx: Tx, ctx: RequestContext, observations: Observations, records: Sequence[LoadBalancer]
) -> dict[str, OperatingStatus]:
    """Return the operating statuses of load balancers by id."""
    all_pools = await pools.list_by_load_balancers(tx, [record.id for record in records])
    # Only pools with a monitor have a status that their load balancer takes over.
    monitored = await health_monitors.list_by_pools(tx, [pool.id for pool in all_pools])
    monitored_pools = [pool for pool in all_pools if pool.id in monitored]
    contents = await read_pool_contents(tx, ctx, observations, monitored_pools)
    pool_statuses: dict[str, list[OperatingStatus]] = {record.id: [] for record in records}
    for content in contents:
        pool_statuses[content.pool.load_balancer_id].append(OperatingStatus(content.status))
    return {record.id: load_balancer_status(record, pool_statuses[record.id]) for record in records}


async def _read_targets(tx: Tx, ctx: RequestContext, pool_ids: Sequence[str]) -> dict[str, MemberTarget]:
    if not pool_ids or not isinstance(ctx.driver, SupportsSimulation):
        return {}
    return await member_targets.list_by_pools(tx, pool_ids)


def _member_statuses(
    ctx: RequestContext,
    records: Iterable[Member],
    monitor: HealthMonitor | None,
    targets: dict[str, MemberTarget],
    observed: Mapping[str, str],
) -> dict[str, OperatingStatus]:
    if not isinstance(ctx.driver, SupportsSimulation):
        return {member.id: observed_member_status(member, monitor, observed.get(member.id)) for member in records}
    now = ctx.now()
    statuses = {}
    for member in records:
        target = targets.get(member.id)
        outages = [*outages_of_member(member), *(target.outages if target else ())]
        statuses[member.id] = member_status(member, monitor, outages, now)
    return statuses
