"""Scenarios of the operations on pools, members, health monitors, L7 policies and L7 rules."""

from collections.abc import Callable
from typing import Any

from tests.balancers import MEMBER, MONITOR, POLICY, POOL, RULE, a_balanced_tree
from tests.builders import a_network
from tests.tasks.scenario import Path, Scenario, SendRequest, request
from tests.tenants import Tenant

MakePath = Callable[[Tenant, dict[str, str]], Path]


def _change(method: str, make_path: MakePath, body: Any = None) -> Scenario:
    """Change a part of a load balancer that has a part of each kind."""

    async def prepare(tenant: Tenant) -> SendRequest:
        ids = await a_balanced_tree(tenant)
        return request(method, make_path(tenant, ids), body)

    return Scenario(prepare)


def _pool(tenant: Tenant, ids: dict[str, str], *rest: str, version: int = 1) -> Path:
    return tenant.path("lbpools", ids["pool_id"], *rest, version=version)


def _members(tenant: Tenant, ids: dict[str, str], *rest: str) -> Path:
    return tenant.path("loadbalancers", "pools", ids["pool_id"], "members", *rest)


def _policy(tenant: Tenant, ids: dict[str, str], *rest: str) -> Path:
    return tenant.path("l7policies", ids["l7_policy_id"], *rest)


def _monitor(tenant: Tenant, ids: dict[str, str]) -> Path:
    return _pool(tenant, ids, "healthmonitor")


async def _create_pool(tenant: Tenant) -> SendRequest:
    ids = await a_balanced_tree(tenant)
    body = {**POOL, "load_balancer_id": ids["load_balancer_id"], "members": [MEMBER], "healthmonitor": MONITOR}
    return request("POST", tenant.path("lbpools"), body)


async def _create_member(tenant: Tenant) -> SendRequest:
    """Add a member in a subnet where the machines have no ports yet."""
    ids, (_, (subnet,)) = await a_balanced_tree(tenant), await a_network(tenant)
    return request("POST", _members(tenant, ids), {**MEMBER, "address": "10.0.0.50", "subnet_id": subnet.id})


async def _create_monitor(tenant: Tenant) -> SendRequest:
    ids = await a_balanced_tree(tenant, with_monitor=False)
    return request("POST", _monitor(tenant, ids), MONITOR)


async def _create_policy(tenant: Tenant) -> SendRequest:
    ids = await a_balanced_tree(tenant)
    body = {**POLICY, "listener_id": ids["listener_id"], "position": 1}
    return request("POST", tenant.path("l7policies"), body)


POOL_SCENARIOS: dict[str, Scenario] = {
    "create_lbpool": Scenario(_create_pool),
    "patch_lbpool": _change(
        "PATCH",
        lambda tenant, ids: _pool(tenant, ids, version=2),
        {"name": "other", "members": [MEMBER], "healthmonitor": None},
    ),
    "delete_lbpool": _change("DELETE", _pool),
    "create_lbmember": Scenario(_create_member),
    "update_lbmember": _change("PATCH", lambda tenant, ids: _members(tenant, ids, ids["member_id"]), {"weight": 9}),
    "delete_lbmember": _change("DELETE", lambda tenant, ids: _members(tenant, ids, ids["member_id"])),
    "create_lbpool_health_monitor": Scenario(_create_monitor),
    "update_lbpool_health_monitor": _change("PATCH", _monitor, {"delay": 30}),
    "delete_lbpool_health_monitor": _change("DELETE", _monitor),
    "create_l7policy": Scenario(_create_policy),
    "update_l7policy": _change("PATCH", _policy, {"name": "other", "tags": ["a"]}),
    "delete_l7policy": _change("DELETE", _policy),
    "create_l7rule": _change("POST", lambda tenant, ids: _policy(tenant, ids, "rules"), RULE),
    "put_l7rule": _change(
        "PUT", lambda tenant, ids: _policy(tenant, ids, "rules", ids["l7_rule_id"]), {"invert": True}
    ),
    "delete_l7rule": _change("DELETE", lambda tenant, ids: _policy(tenant, ids, "rules", ids["l7_rule_id"])),
}
