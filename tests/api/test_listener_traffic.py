"""The made-up counters of simulated listeners: a daily wave, as long as they lead to a member.

A day has 43,200 seconds of full load, wherever the wave of a listener begins.
"""

from typing import Any

from tests.balancers import MEMBER, POLICY, POOL, create_part, members_path
from tests.clocks import Clock, clock_of_cloud, run_cloud_with_clock
from tests.tenants import Tenant

__all__ = ["clock_of_cloud", "run_cloud_with_clock"]
CONNECTIONS_OF_A_DAY = 172_800
HTTP = {"name": "http", "protocol": "HTTP", "protocol_port": 80}
BALANCED = {**HTTP, "pools": [{**POOL, "members": [MEMBER]}]}


async def create(tenant: Tenant, *listeners: dict[str, Any]) -> tuple[str, list[str]]:
    """Create a load balancer through its task; return its id and those of its listeners by their ports."""
    ports = [{**listener, "protocol_port": 80 + number} for number, listener in enumerate(listeners)]
    body = {"name": "web", "listeners": ports}
    balancer_id = await create_part(tenant, "loadbalancers", tenant.path("loadbalancers"), **body)
    answer = await tenant.api.get(tenant.path("lblisteners"), params={"load_balancer_id": balancer_id})
    views = sorted(answer.json()["results"], key=lambda view: view["protocol_port"])
    return balancer_id, [view["id"] for view in views]


async def read_stats(tenant: Tenant, *path: str) -> dict[str, int]:
    """Return the counters of a listener or a load balancer, as its list shows them as well."""
    answer = await tenant.api.get(tenant.path(*path), params={"show_stats": "true"})
    listed = await tenant.api.get(tenant.path(path[0]), params={"show_stats": "true"})
    (same,) = [view for view in listed.json()["results"] if view["id"] == path[1]]
    stats: dict[str, int] = answer.json()["stats"]
    assert same["stats"] == stats
    return stats


async def count_connections(tenant: Tenant, listener_id: str) -> int:
    """Return how many connections a listener has had."""
    return (await read_stats(tenant, "lblisteners", listener_id))["total_connections"]


async def change(tenant: Tenant, *path: str, **body: Any) -> None:
    """Change a part in a task."""
    await tenant.wait_until_finished(await tenant.api.patch(tenant.path(*path, version=2), json=body))


async def test_the_counters_of_a_day_are_those_of_all_listeners_that_lead_to_a_member(
    tenant: Tenant, clock: Clock
) -> None:
    await clock.freeze()
    balancer_id, (first_id, second_id, idle_id) = await create(tenant, BALANCED, BALANCED, HTTP)
    assert await count_connections(tenant, first_id) == 0

    await clock.advance(days=1)
    first, second = [await read_stats(tenant, "lblisteners", listener_id) for listener_id in (first_id, second_id)]
    idle, both = (
        await read_stats(tenant, "lblisteners", idle_id),
        await read_stats(tenant, "loadbalancers", balancer_id),
    )

    assert first["total_connections"] == second["total_connections"] == CONNECTIONS_OF_A_DAY
    assert (first["bytes_in"], first["bytes_out"]) == (CONNECTIONS_OF_A_DAY * 900, CONNECTIONS_OF_A_DAY * 14_000)
    assert first["request_errors"] == 345
    assert 0 <= first["active_connections"] <= 8
    assert set(idle.values()) == {0}
    assert both == {name: first[name] + second[name] for name in first}


async def test_what_is_switched_off_counts_nothing_and_goes_on_from_where_it_was(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    balancer_id, (listener_id,) = await create(tenant, BALANCED)
    pool_id = (await tenant.api.get(tenant.path("lbpools"))).json()["results"][0]["id"]
    (member,) = (await tenant.api.get(members_path(tenant, pool_id))).json()["results"]
    days = 0
    for path in (("loadbalancers", balancer_id), ("lblisteners", listener_id), ("lbpools", pool_id)):
        await change(tenant, *path, admin_state_up=False)
        await clock.advance(days=1)
        assert await count_connections(tenant, listener_id) == days * CONNECTIONS_OF_A_DAY

        await change(tenant, *path, admin_state_up=True)
        await clock.advance(days=1)
        days += 1
        assert await count_connections(tenant, listener_id) == days * CONNECTIONS_OF_A_DAY
    member_path = members_path(tenant, pool_id, member["id"])
    await tenant.wait_until_finished(await tenant.api.patch(member_path, json={"admin_state_up": False}))
    await clock.advance(days=1)
    assert await count_connections(tenant, listener_id) == days * CONNECTIONS_OF_A_DAY


async def test_counters_outlive_other_machines_and_follow_l7_policies(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    balancer_id, (listener_id,) = await create(tenant, HTTP)
    pool = {**POOL, "load_balancer_id": balancer_id, "members": [MEMBER]}
    pool_id = await create_part(tenant, "pools", tenant.path("lbpools"), **pool)
    policy = {**POLICY, "action": "REDIRECT_TO_POOL", "redirect_pool_id": pool_id, "listener_id": listener_id}
    await tenant.wait_until_finished(await tenant.api.post(tenant.path("l7policies"), json=policy))
    await clock.advance(days=1)
    path = tenant.path("loadbalancers", balancer_id, "failover")
    await tenant.wait_until_finished(await tenant.api.post(path, json={}))
    await clock.advance(days=1)

    assert await count_connections(tenant, listener_id) == 2 * CONNECTIONS_OF_A_DAY


async def test_counters_rise_all_day(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    _, (listener_id,) = await create(tenant, BALANCED)
    counts = [await count_connections(tenant, listener_id)]
    for _ in range(8):
        await clock.advance(hours=3)
        counts.append(await count_connections(tenant, listener_id))

    assert counts == sorted(counts)
    assert len(set(counts)) == 9
