"""L7 policies and L7 rules: their order, their targets and their conditions."""

from typing import Any

import pytest

from pileus.domain.faults import FaultKind
from pileus.domain.load_balancers.listeners import Listener
from tests.balancers import POLICY, POOL, RULE, a_balanced_listener, a_balancer, create_part, create_pool
from tests.builders import driver_of, inject_fault
from tests.networks import get_view
from tests.tenants import Tenant

POLICIES = "l7policies"


async def create_policy(tenant: Tenant, listener: Listener, **body: Any) -> str:
    """Create a policy that rejects, and return its id."""
    return await create_part(
        tenant, "l7polices", tenant.path(POLICIES), **{**POLICY, "listener_id": listener.id, **body}
    )


async def list_names(tenant: Tenant) -> list[str]:
    """Return the names of the policies in order, which have positions from 1 without gaps."""
    policies = (await tenant.api.get(tenant.path(POLICIES))).json()["results"]
    assert [policy["position"] for policy in policies] == list(range(1, len(policies) + 1))
    return [policy["name"] for policy in policies]


async def test_the_sdk_creates_changes_and_deletes_policies_and_rules(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    policies = tenant.sdk.cloud.load_balancers.l7_policies

    policy = await policies.create_and_poll(
        action="REDIRECT_TO_URL",
        listener_id=listener.id,
        redirect_url="https://example.com",
        name="moved",
        tags=["a"],
        polling_interval_seconds=0,
    )
    assert (policy.position, policy.redirect_http_code, policy.tags, policy.rules) == (1, 302, ["a"], [])
    assert (policy.operating_status, policy.provisioning_status, policy.task_id) == ("ONLINE", "ACTIVE", None)

    rule = await policies.rules.create_and_poll(
        policy.id, type="HEADER", compare_type="CONTAINS", key="User-Agent", value="bot", polling_interval_seconds=0
    )
    assert (rule.key, rule.invert, rule.tags, rule.operating_status) == ("User-Agent", False, [], "ONLINE")
    replaced = await policies.rules.replace_and_poll(
        rule.id,
        l7policy_id=policy.id,
        type="HEADER",
        compare_type="EQUAL_TO",
        invert=True,
        value="crawler",
        polling_interval_seconds=0,
    )
    assert (replaced.id, replaced.invert, replaced.value, replaced.key) == (rule.id, True, "crawler", "User-Agent")

    changed = await policies.update_and_poll(policy.id, action="REJECT", name="gone", polling_interval_seconds=0)
    assert (changed.action, changed.redirect_url, changed.redirect_http_code) == ("REJECT", None, None)
    assert [reference.id for reference in changed.rules] == [rule.id]
    assert [listed.id for listed in (await policies.list()).results] == [policy.id]
    assert [listed.id for listed in (await policies.rules.list(policy.id)).results] == [rule.id]

    await policies.rules.delete_and_poll(rule.id, l7policy_id=policy.id, polling_interval_seconds=0)
    assert (await policies.rules.list(policy.id)).count == 0
    await policies.delete_and_poll(policy.id, polling_interval_seconds=0)
    assert (await tenant.api.get(tenant.path(POLICIES, policy.id))).status_code == 404


async def test_policies_keep_positions_without_gaps(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    ids = {name: await create_policy(tenant, listener, name=name) for name in ("aaa", "bbb", "ccc")}
    await create_policy(tenant, listener, name="first", position=1)
    await create_policy(tenant, listener, name="last", position=1000)
    assert await list_names(tenant) == ["first", "aaa", "bbb", "ccc", "last"]

    path = tenant.path(POLICIES, ids["ccc"])
    await tenant.wait_until_finished(await tenant.api.patch(path, json={"action": "REJECT", "position": 2}))
    assert await list_names(tenant) == ["first", "ccc", "aaa", "bbb", "last"]

    await tenant.wait_until_finished(await tenant.api.delete(tenant.path(POLICIES, ids["aaa"])))
    assert await list_names(tenant) == ["first", "ccc", "bbb", "last"]
    balancer = await driver_of(tenant.running).find_load_balancer(listener.load_balancer_id)
    assert balancer is not None
    assert sorted(policy.position for policy in balancer.l7_policies) == [1, 2, 3, 4]


@pytest.mark.parametrize("task_type", ["create_l7policy", "update_l7policy", "delete_l7policy"])
async def test_a_failed_change_restores_the_order(tenant: Tenant, task_type: str) -> None:
    listener = await a_balanced_listener(tenant)
    await create_policy(tenant, listener, name="aaa")
    last = await create_policy(tenant, listener, name="bbb")
    first = (await tenant.api.get(tenant.path(POLICIES))).json()["results"][0]["id"]
    await inject_fault(tenant, FaultKind.FAIL, task_type)

    answer = {
        "create_l7policy": lambda: tenant.api.post(
            tenant.path(POLICIES), json={**POLICY, "listener_id": listener.id, "position": 1}
        ),
        "update_l7policy": lambda: tenant.api.patch(tenant.path(POLICIES, last), json={"position": 1}),
        "delete_l7policy": lambda: tenant.api.delete(tenant.path(POLICIES, first)),
    }[task_type]()

    assert (await tenant.wait_for_task((await answer).json()["tasks"][0]))["state"] == "ERROR"
    assert await list_names(tenant) == ["aaa", "bbb"]


async def test_older_clients_replace_a_policy_by_put(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    await create_policy(tenant, listener, name="aaa")
    policy_id = await create_policy(tenant, listener, name="bbb", tags=["x"])
    body = {"action": "REDIRECT_PREFIX", "redirect_prefix": "https://example.com", "redirect_http_code": 308}

    await tenant.wait_until_finished(await tenant.api.put(tenant.path(POLICIES, policy_id), json=body))

    view = await get_view(tenant, POLICIES, policy_id)
    assert (view["position"], view["name"], view["tags"], view["redirect_http_code"]) == (2, "", [], 308)


@pytest.mark.parametrize("protocol", ["TCP", "HTTPS", "PROMETHEUS"])
async def test_listeners_that_do_not_read_http_have_no_policies(tenant: Tenant, protocol: str) -> None:
    listener = await a_balanced_listener(tenant, protocol=protocol)

    answer = await tenant.api.post(tenant.path(POLICIES), json={**POLICY, "listener_id": listener.id})

    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "REDIRECT_TO_URL"}, "redirect_url"),
        ({"action": "REDIRECT_TO_URL", "redirect_url": "example.com"}, "redirect_url"),
        ({"action": "REJECT", "redirect_prefix": "https://example.com"}, "redirect_prefix"),
        ({"action": "REJECT", "position": 0}, "position"),
        ({"action": "ALLOW"}, "action"),
        (
            {"action": "REDIRECT_TO_URL", "redirect_url": "https://a.example", "redirect_http_code": 200},
            "redirect_http_code",
        ),
    ],
)
async def test_an_invalid_policy_is_refused_with_its_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    listener = await a_balanced_listener(tenant)

    answer = await tenant.api.post(tenant.path(POLICIES), json={"listener_id": listener.id, **body})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_a_policy_redirects_to_a_pool_of_its_load_balancer_that_its_listener_can_use(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    elsewhere = await a_balancer(tenant)
    pools = {
        "elsewhere": {**POOL, "load_balancer_id": elsewhere.id},
        "tcp": {**POOL, "load_balancer_id": listener.load_balancer_id, "protocol": "TCP"},
        "http": {**POOL, "load_balancer_id": listener.load_balancer_id},
    }
    ids = {name: await create_part(tenant, "pools", tenant.path("lbpools"), **body) for name, body in pools.items()}
    body = {"action": "REDIRECT_TO_POOL", "listener_id": listener.id}

    for name in ("elsewhere", "tcp"):
        answer = await tenant.api.post(tenant.path(POLICIES), json={**body, "redirect_pool_id": ids[name]})
        assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["redirect_pool_id"])
    policy_id = await create_part(tenant, "l7polices", tenant.path(POLICIES), **body, redirect_pool_id=ids["http"])

    # A policy without rules matches nothing: the pool gets no traffic yet.
    assert (await get_view(tenant, "lbpools", ids["http"]))["operating_status"] == "OFFLINE"
    await create_part(tenant, "l7rules", tenant.path(POLICIES, policy_id, "rules"), **RULE)
    pool = await get_view(tenant, "lbpools", ids["http"])
    assert (pool["operating_status"], [user["id"] for user in pool["listeners"]]) == ("ONLINE", [listener.id])


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({**RULE, "type": "HEADER"}, "key"),
        ({**RULE, "key": "X"}, "key"),
        ({**RULE, "type": "FILE_TYPE", "value": "jpg"}, "compare_type"),
        ({**RULE, "compare_type": "REGEX", "value": "("}, "value"),
        ({**RULE, "value": ""}, "value"),
        ({**RULE, "value": "/" * 256}, "value"),
        ({**RULE, "type": "METHOD"}, "type"),
    ],
)
async def test_an_invalid_rule_is_refused_with_its_field(tenant: Tenant, rule: dict[str, Any], field: str) -> None:
    policy_id = await create_policy(tenant, await a_balanced_listener(tenant))

    answer = await tenant.api.post(tenant.path(POLICIES, policy_id, "rules"), json=rule)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_policies_and_rules_of_others_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    own = await create_policy(tenant, await a_balanced_listener(tenant))
    listener = await a_balanced_listener(stranger)
    theirs = await create_policy(stranger, listener)
    rule_id = await create_part(stranger, "l7rules", stranger.path(POLICIES, theirs, "rules"), **RULE)

    for path in (tenant.path(POLICIES, own, "rules", rule_id), tenant.path(POLICIES, theirs, "rules", rule_id)):
        assert (await tenant.api.get(path)).status_code == 404
        assert (await tenant.api.put(path, json={"invert": True})).status_code == 404
        assert (await tenant.api.delete(path)).status_code == 404
    assert (await tenant.api.get(tenant.path(POLICIES, theirs))).status_code == 404
    assert (await tenant.api.get(tenant.path(POLICIES, theirs, "rules"))).status_code == 404
    answer = await tenant.api.post(tenant.path(POLICIES), json={**POLICY, "listener_id": listener.id})
    assert answer.status_code == 404
    foreign_pool = await create_pool(stranger, listener)
    own_listener = await a_balanced_listener(tenant)
    redirect = {"action": "REDIRECT_TO_POOL", "listener_id": own_listener.id, "redirect_pool_id": foreign_pool}
    assert (await tenant.api.post(tenant.path(POLICIES), json=redirect)).status_code == 404


async def test_a_policy_with_rules_shows_older_clients_its_times(tenant: Tenant) -> None:
    policy_id = await create_policy(tenant, await a_balanced_listener(tenant))
    rule_id = await create_part(tenant, "l7rules", tenant.path(POLICIES, policy_id, "rules"), **RULE, tags=["x"])

    policy = await get_view(tenant, POLICIES, policy_id)
    rule = (await tenant.api.get(tenant.path(POLICIES, policy_id, "rules", rule_id))).json()

    assert policy["created_at"][-5:] == rule["updated_at"][-5:] == "+0000"
    assert rule["tags"] == ["x"]
