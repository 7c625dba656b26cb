"""All parts of a load balancer: made what they should be.

Parts that use others are deleted before these, and created after them.
"""

from msgspec import Struct, field

from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.octavia.changes import OctaviaChanges
from pileus.drivers.openstack.octavia.orders import (
    EngineIds,
    listener_order,
    member_order,
    monitor_order,
    policy_order,
    pool_order,
    rule_order,
)
from pileus.drivers.openstack.octavia.parts import PartLists, Parts, can_become, engine_ids, name_of, part_changes
from pileus.drivers.protocols.load_balancers import L7PolicySpec, LoadBalancerSpec

POOLS, LISTENERS, MONITORS, POLICIES = "/pools", "/listeners", "/healthmonitors", "/l7policies"


class References(Struct, frozen=True, kw_only=True):
    """The provider of a load balancer, and what its parts refer to in OpenStack, by the ids of Pileus."""

    provider: str
    subnet_ids: EngineIds = field(default_factory=dict)


class OctaviaParts:
    """Makes the parts of one load balancer what they should be."""

    def __init__(
        self, cloud: OpenstackCloud, changes: OctaviaChanges, spec: LoadBalancerSpec, references: References
    ) -> None:
        self._changes, self._spec, self._references = changes, spec, references
        self._lists = PartLists(cloud, changes)
        self._own = {"loadbalancer_id": changes.engine_id}

    async def ensure(self) -> None:
        """Delete, create and change parts."""
        pool_orders = self._pool_orders()
        pools, listeners = await self._read_own(POOLS), await self._read_own(LISTENERS)
        await self._lists.delete_others(LISTENERS, listeners, self._listener_orders({}))
        await self._delete_policies(pools, listeners, pool_orders)
        await self._lists.delete_others(POOLS, pools, pool_orders)
        await self._lists.ensure(POOLS, "pool", pools, pool_orders)
        pool_ids = engine_ids(pools)
        await self._ensure_contents(pool_ids)
        # Octavia itself takes pools away from listeners when they are deleted.
        listeners = await self._read_own(LISTENERS)
        await self._lists.ensure(LISTENERS, "listener", listeners, self._listener_orders(pool_ids))
        for listener_id, engine_id in engine_ids(listeners).items():
            await self._ensure_policies(listener_id, engine_id, pool_ids)

    async def _read_own(self, path: str) -> Parts:
        return await self._lists.read(path, **self._own)

    def _pool_orders(self) -> list[Json]:
        return [pool_order(pool, self._references.provider) | self._own for pool in self._spec.pools]

    def _listener_orders(self, pool_ids: EngineIds) -> list[Json]:
        pools = {pool.id: pool for pool in self._spec.pools}
        return [
            listener_order(listener, pools.get(listener.default_pool_id or ""), pool_ids) | self._own
            for listener in self._spec.listeners
        ]

    async def _delete_policies(self, pools: Parts, listeners: Parts, pool_orders: list[Json]) -> None:
        """Delete the policies that are not to be, and those that redirect to a pool that will be deleted."""
        orders = {name_of(order): order for order in pool_orders}
        kept_ids = {pool["id"] for name, pool in pools.items() if can_become(pool, orders.get(name))}
        for listener_id, engine_id in engine_ids(listeners).items():
            policies = await self._lists.read(POLICIES, listener_id=engine_id)
            kept = [policy_order(spec, engine_id, {}) for spec in self._policies_of(listener_id)]
            leading_away = {
                name for name, policy in policies.items() if policy["redirect_pool_id"] not in {None, *kept_ids}
            }
            remaining = [order for order in kept if order["name"] not in leading_away]
            await self._lists.delete_others(POLICIES, policies, remaining)

    async def _ensure_contents(self, pool_ids: EngineIds) -> None:
        """Set the members and the health monitors of all pools."""
        monitors = {spec.pool_id: spec for spec in self._spec.health_monitors}
        for pool_id, engine_id in pool_ids.items():
            await self._ensure_members(pool_id, engine_id)
            existing = await self._lists.read(MONITORS, pool_id=engine_id)
            orders = [monitor_order(monitors[pool_id], engine_id)] if pool_id in monitors else []
            await self._lists.delete_others(MONITORS, existing, orders)
            await self._lists.ensure(MONITORS, "healthmonitor", existing, orders)

    async def _ensure_members(self, pool_id: str, engine_id: str) -> None:
        """Set all members of a pool by one change. Octavia knows them by address and port."""
        path = f"{POOLS}/{engine_id}/members"
        existing = await self._lists.read(path)
        orders = [
            member_order(spec, self._references.subnet_ids) for spec in self._spec.members if spec.pool_id == pool_id
        ]
        if existing.keys() != {name_of(order) for order in orders} or any(
            not can_become(part := existing[order["name"]], order) or part_changes(part, order) for order in orders
        ):
            await self._changes.update(path, "members", orders)

    async def _ensure_policies(self, listener_id: str, engine_id: str, pool_ids: EngineIds) -> None:
        """Set the policies of a listener in their order: one that moves moves others.

        Octavia's tree of statuses has neither policies nor rules, and calls the load balancer active if one fails.
        """
        specs = self._policies_of(listener_id)
        for spec in specs:
            policies = await self._lists.read(POLICIES, listener_id=engine_id)
            await self._lists.ensure_one(POLICIES, "l7policy", policies, policy_order(spec, engine_id, pool_ids))
            await self._ensure_rules(spec, engine_ids(policies)[spec.id])
        if specs:
            await self._lists.check(POLICIES, listener_id=engine_id)

    async def _ensure_rules(self, policy: L7PolicySpec, engine_id: str) -> None:
        path = f"{POLICIES}/{engine_id}/rules"
        orders = [rule_order(spec) for spec in self._spec.l7_rules if spec.l7_policy_id == policy.id]
        existing = await self._lists.read(path)
        await self._lists.delete_others(path, existing, orders)
        await self._lists.ensure(path, "rule", existing, orders)
        if orders:
            await self._lists.check(path)

    def _policies_of(self, listener_id: str) -> list[L7PolicySpec]:
        policies = [spec for spec in self._spec.l7_policies if spec.listener_id == listener_id]
        return sorted(policies, key=lambda spec: spec.position)
