"""Requests that fill one limit of pools, L7 policies or health monitors."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from pileus.domain import limits
from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.trees import Parts
from pileus.store.load_balancers import trees
from tests.balancers import MEMBER, MONITOR, POLICY, POOL, RULE, a_balanced_listener, members_path, part_fields
from tests.domain.load_balancers import a_member, a_policy, a_pool, a_rule
from tests.tenants import Tenant


async def _add_parts(tenant: Tenant, parts: Parts) -> None:
    await tenant.running.app_state.db.write(lambda tx: trees.add_parts(tx, parts))


async def add_member(tenant: Tenant, count: int) -> httpx.Response:
    """Add the last member to a pool."""
    fields = await part_fields(tenant)
    pool = a_pool(**fields())
    existing = [a_member(**fields(), pool_id=pool.id, protocol_port=port) for port in range(1, count)]
    await _add_parts(tenant, Parts(pools=[pool], members=existing))
    return await tenant.api.post(members_path(tenant, pool.id), json=MEMBER)


async def add_pool(tenant: Tenant, count: int) -> httpx.Response:
    """Add the last pool to a load balancer."""
    fields = await part_fields(tenant)
    existing = [a_pool(**fields()) for _ in range(1, count)]
    await _add_parts(tenant, Parts(pools=existing))
    body = {**POOL, "load_balancer_id": existing[0].load_balancer_id}
    return await tenant.api.post(tenant.path("lbpools"), json=body)


async def add_l7_policy(tenant: Tenant, count: int) -> httpx.Response:
    """Add the last L7 policy to a listener."""
    listener = await a_balanced_listener(tenant)
    fields = await part_fields(tenant, listener)
    existing = [a_policy(**fields(), listener_id=listener.id, position=position) for position in range(1, count)]
    await _add_parts(tenant, Parts(l7_policies=existing))
    return await _create_l7_policy(tenant, listener)


async def add_l7_rule(tenant: Tenant, count: int) -> httpx.Response:
    """Add the last rule to an L7 policy."""
    listener = await a_balanced_listener(tenant)
    fields = await part_fields(tenant, listener)
    policy = a_policy(**fields(), listener_id=listener.id)
    existing = [a_rule(**fields(), l7_policy_id=policy.id) for _ in range(1, count)]
    await _add_parts(tenant, Parts(l7_policies=[policy], l7_rules=existing))
    return await tenant.api.post(tenant.path("l7policies", policy.id, "rules"), json=RULE)


async def _create_l7_policy(tenant: Tenant, listener: Listener | None = None, **body: Any) -> httpx.Response:
    listener = listener or await a_balanced_listener(tenant)
    return await tenant.api.post(tenant.path("l7policies"), json={**POLICY, "listener_id": listener.id, **body})


async def tag_l7_policy(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_l7_policy(tenant, tags=[f"tag-{number}" for number in range(count)])


async def redirect_far(tenant: Tenant, count: int) -> httpx.Response:
    url = "https://example.com/".ljust(count, "x")
    return await _create_l7_policy(tenant, action="REDIRECT_TO_URL", redirect_url=url)


async def expect_codes(tenant: Tenant, count: int) -> httpx.Response:
    codes = "200,".ljust(count - 3) + "200"
    listener = await a_balanced_listener(tenant)
    monitor = {**MONITOR, "type": "HTTP", "expected_codes": codes}
    return await tenant.api.post(
        tenant.path("lbpools"), json={**POOL, "listener_id": listener.id, "healthmonitor": monitor}
    )


POOL_ORDERS: dict[limits.Limit, Callable[[Tenant, int], Awaitable[httpx.Response]]] = {
    limits.POOL_MEMBERS: add_member,
    limits.LOAD_BALANCER_POOLS: add_pool,
    limits.LISTENER_L7_POLICIES: add_l7_policy,
    limits.L7_POLICY_RULES: add_l7_rule,
    limits.L7_TAGS: tag_l7_policy,
    limits.URL: redirect_far,
    limits.EXPECTED_CODES: expect_codes,
}
