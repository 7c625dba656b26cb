"""Pools of load balancers: create, list, change and delete them, and what locks and refuses them."""

from typing import Any

import pytest

from pileus.domain.faults import FaultKind
from tests.balancers import MEMBER, MONITOR, POLICY, POOL, a_balanced_listener, a_balancer, create_part, create_pool
from tests.builders import an_instance, driver_of, inject_fault
from tests.networks import get_view
from tests.tenants import REGION, Tenant

POOLS = "lbpools"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def patch_pool(tenant: Tenant, pool_id: str, version: int = 2, **body: Any) -> dict[str, Any]:
    """Change a pool, and return its task."""
    return await tenant.wait_until_finished(
        await tenant.api.patch(tenant.path(POOLS, pool_id, version=version), json=body)
    )


async def test_the_sdk_creates_changes_and_deletes_a_pool(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    pools = tenant.sdk.cloud.load_balancers.pools

    pool = await pools.create_and_poll(
        name="web",
        protocol="HTTP",
        lb_algorithm="LEAST_CONNECTIONS",
        listener_id=listener.id,
        members=[{"address": "203.0.113.10", "protocol_port": 80, "weight": 3}],
        healthmonitor={"type": "HTTP", "delay": 10, "timeout": 5, "max_retries": 2},
        session_persistence={"type": "APP_COOKIE", "cookie_name": "JSESSIONID"},
        timeout_member_data=0,
        polling_interval_seconds=0,
    )
    assert (pool.lb_algorithm, pool.provisioning_status, pool.operating_status) == (
        "LEAST_CONNECTIONS",
        "ACTIVE",
        "ONLINE",
    )
    assert [reference.id for reference in pool.listeners] == [listener.id]
    assert [reference.id for reference in pool.loadbalancers] == [listener.load_balancer_id]
    assert pool.healthmonitor is not None
    assert (pool.healthmonitor.url_path, pool.healthmonitor.expected_codes) == ("/", "200")
    assert pool.session_persistence is not None
    assert pool.session_persistence.cookie_name == "JSESSIONID"
    assert (pool.timeout_member_data, pool.timeout_member_connect, pool.task_id) == (0, None, None)

    changed = await pools.update_and_poll(pool.id, name="api", session_persistence=None, polling_interval_seconds=0)
    assert (changed.name, changed.session_persistence, changed.members[0].id) == ("api", None, pool.members[0].id)

    (listed,) = (await pools.list(load_balancer_id=listener.load_balancer_id)).results
    assert (listed.id, listed.healthmonitor, listed.members[0].id) == (pool.id, None, pool.members[0].id)
    (detailed,) = (await pools.list(details=True, listener_id=listener.id)).results
    assert detailed.healthmonitor == changed.healthmonitor
    assert detailed.members == changed.members

    await pools.delete_and_poll(pool.id, polling_interval_seconds=0)
    assert (await tenant.api.get(tenant.path(POOLS, pool.id))).status_code == 404
    assert (await pools.list()).results == []


async def test_the_driver_gets_a_pool_with_its_parts(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)

    pool_id = await create_pool(tenant, listener, members=[MEMBER], healthmonitor=MONITOR)

    balancer = await driver_of(tenant.running).find_load_balancer(listener.load_balancer_id)
    assert balancer is not None
    assert [pool.id for pool in balancer.pools] == [pool_id]
    assert [(member.address, member.weight) for member in balancer.members] == [("203.0.113.10", 1)]
    assert [monitor.delay for monitor in balancer.health_monitors] == [10]
    assert balancer.listeners[0].default_pool_id == pool_id


async def test_the_task_of_a_new_pool_names_all_that_it_creates(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    body = {**POOL, "listener_id": listener.id, "members": [MEMBER], "healthmonitor": MONITOR}

    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path(POOLS), json=body))

    view = await get_view(tenant, POOLS, task["created_resources"]["pools"][0])
    assert task["created_resources"]["members"] == [member["id"] for member in view["members"]]
    assert task["created_resources"]["healthmonitors"] == [view["healthmonitor"]["id"]]
    assert (task["task_type"], view["creator_task_id"]) == ("create_lbpool", task["id"])


@pytest.mark.parametrize("name", ["load_balancer_id", "loadbalancer_id"])
async def test_a_pool_for_a_load_balancer_is_offline_until_a_listener_uses_it(tenant: Tenant, name: str) -> None:
    balancer = await a_balancer(tenant)

    pool_id = await create_part(tenant, "pools", tenant.path(POOLS), **{**POOL, name: balancer.id})

    view = await get_view(tenant, POOLS, pool_id)
    assert (view["operating_status"], view["listeners"]) == ("OFFLINE", [])
    for query in ("load_balancer_id", "loadbalancer_id"):
        answer = await tenant.api.get(tenant.path(POOLS), params={query: balancer.id})
        assert [pool["id"] for pool in answer.json()["results"]] == [pool_id]


async def test_filters_of_the_list(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    default = await create_pool(tenant, listener, name="default-pool")
    other = await create_part(tenant, "pools", tenant.path(POOLS), **POOL, load_balancer_id=listener.load_balancer_id)
    await create_pool(tenant, name="elsewhere")
    redirect = {"action": "REDIRECT_TO_POOL", "redirect_pool_id": other, "listener_id": listener.id}
    await create_part(tenant, "l7polices", tenant.path("l7policies"), **redirect)

    async def list_ids(**query: str) -> set[str]:
        answer = await tenant.api.get(tenant.path(POOLS), params=query)
        return {pool["id"] for pool in answer.json()["results"]}

    assert await list_ids(load_balancer_id=listener.load_balancer_id) == {default, other}
    assert await list_ids(listener_id=listener.id) == {default, other}
    assert await list_ids(name="default-pool") == {default}
    assert await list_ids(listener_id="", loadbalancer_id=listener.load_balancer_id) == {default, other}
    assert len(await list_ids()) == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**POOL, "protocol": "TCP"}, "protocol"),
        ({**POOL, "protocol": "HTTPS"}, "protocol"),
        ({**POOL, "protocol": "UDP"}, "protocol"),
        ({**POOL, "members": [{**MEMBER, "weight": 0}]}, "members"),
        ({**POOL, "members": [{**MEMBER, "address": "10.0.0.300"}]}, "members"),
        ({**POOL, "members": [MEMBER, MEMBER]}, "members"),
        ({**POOL, "healthmonitor": {**MONITOR, "max_retries": 0}}, "healthmonitor"),
        ({**POOL, "healthmonitor": {**MONITOR, "timeout": 10}}, "healthmonitor"),
        ({**POOL, "healthmonitor": {"type": "TCP", "delay": 3, "max_retries": 1}}, "healthmonitor"),
        ({**POOL, "session_persistence": {"type": "APP_COOKIE"}}, "session_persistence"),
        ({**POOL, "crl_secret_id": UNKNOWN}, "crl_secret_id"),
        ({**POOL, "lb_algorithm": "RANDOM"}, "lb_algorithm"),
        ({**POOL, "timeout_member_data": 86400001}, "timeout_member_data"),
    ],
)
async def test_an_invalid_pool_is_refused_with_its_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    listener = await a_balanced_listener(tenant)

    answer = await tenant.api.post(tenant.path(POOLS), json={**body, "listener_id": listener.id})

    assert answer.status_code == 400, answer.text
    assert list(answer.json()["invalid_fields"]) == [field]
    assert (await tenant.api.get(tenant.path(POOLS))).json()["count"] == 0


async def test_the_error_of_a_monitor_is_nested_under_its_name(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant)
    body = {"healthmonitor": {"type": "TCP", "delay": 5, "max_retries": 0, "timeout": 1}}

    answer = await tenant.api.patch(tenant.path(POOLS, pool_id, version=2), json=body)

    text = "{'healthmonitor': {'max_retries': ['Input should be greater than or equal to 1']}}"
    assert (answer.status_code, answer.json()["message"]) == (400, f"Validation Error: {text}")


async def test_a_pool_needs_a_listener_or_a_load_balancer(tenant: Tenant, stranger: Tenant) -> None:
    listener, other = await a_balanced_listener(tenant), await a_balancer(tenant)
    theirs = await a_balanced_listener(stranger)

    async def status(**body: str) -> int:
        return (await tenant.api.post(tenant.path(POOLS), json={**POOL, **body})).status_code

    assert await status() == 400
    assert await status(listener_id=listener.id, load_balancer_id=other.id) == 400
    assert await status(listener_id=theirs.id) == 404
    assert await status(load_balancer_id=theirs.load_balancer_id) == 404
    assert await status(listener_id=listener.id, load_balancer_id=listener.load_balancer_id) == 200


async def test_a_listener_with_a_default_pool_takes_no_other(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    await create_pool(tenant, listener)

    answer = await tenant.api.post(tenant.path(POOLS), json={**POOL, "listener_id": listener.id})

    assert (answer.status_code, answer.json()["exception_class"]) == (409, "ConflictError")


@pytest.mark.parametrize("version", [1, 2])
async def test_a_patch_with_members_names_those_before_and_after_and_keeps_ids(tenant: Tenant, version: int) -> None:
    second = {"address": "203.0.113.11", "protocol_port": 80}
    pool_id = await create_pool(tenant, members=[MEMBER])
    (first_id,) = [member["id"] for member in (await get_view(tenant, POOLS, pool_id))["members"]]

    more = await patch_pool(tenant, pool_id, version, members=[{**MEMBER, "id": first_id, "weight": 5}, second])

    view = await get_view(tenant, POOLS, pool_id)
    ids = [member["id"] for member in view["members"]]
    assert (more["task_type"], set(more["created_resources"]["members"])) == ("patch_lbpool", set(ids))
    assert {member["id"]: member["weight"] for member in view["members"]}[first_id] == 5
    assert (await patch_pool(tenant, pool_id, version, members=[]))["created_resources"]["members"] == ids
    assert (await get_view(tenant, POOLS, pool_id))["members"] == []


async def test_nothing_to_change_starts_no_task(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant, members=[MEMBER], healthmonitor=MONITOR)
    path = tenant.path(POOLS, pool_id, version=2)

    for body in ({}, {"name": "web"}, {"members": [MEMBER]}, {"members": None}, {"healthmonitor": MONITOR}):
        assert (await tenant.api.patch(path, json=body)).json() == {"tasks": []}
    # The load balancer is not locked.
    await patch_pool(tenant, pool_id, name="other")


async def test_a_monitor_in_a_patch_is_added_replaced_and_removed(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant)
    added = await patch_pool(tenant, pool_id, healthmonitor={**MONITOR, "max_retries_down": 5})
    monitor = (await get_view(tenant, POOLS, pool_id))["healthmonitor"]
    assert added["created_resources"]["healthmonitors"] == [monitor["id"]]

    await patch_pool(tenant, pool_id, healthmonitor={"delay": 30, "timeout": 5, "max_retries": 2})

    replaced = (await get_view(tenant, POOLS, pool_id))["healthmonitor"]
    assert replaced == {**monitor, "delay": 30, "max_retries_down": 3}
    await patch_pool(tenant, pool_id, healthmonitor=None)
    assert (await get_view(tenant, POOLS, pool_id))["healthmonitor"] is None


async def test_a_protocol_changes_only_to_one_that_the_users_accept(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant, protocol="TCP")
    pool_id = await create_pool(tenant, listener, protocol="HTTP")

    await patch_pool(tenant, pool_id, protocol="TCP")

    answer = await tenant.api.patch(tenant.path(POOLS, pool_id, version=2), json={"protocol": "UDP"})
    assert answer.status_code == 400, answer.text
    assert (await get_view(tenant, POOLS, pool_id))["protocol"] == "TCP"


async def test_a_deleted_pool_leaves_its_listener_without_one(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    pool_id = await create_pool(tenant, listener, members=[MEMBER], healthmonitor=MONITOR)

    await tenant.wait_until_finished(await tenant.api.delete(tenant.path(POOLS, pool_id)))

    balancer = await driver_of(tenant.running).find_load_balancer(listener.load_balancer_id)
    assert balancer is not None
    assert (balancer.pools, balancer.members, balancer.health_monitors) == ([], [], [])
    assert await create_pool(tenant, listener)


async def test_a_pool_that_a_policy_redirects_to_is_not_deleted(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    pool_id = await create_pool(tenant, listener)
    redirect = {"action": "REDIRECT_TO_POOL", "redirect_pool_id": pool_id, "listener_id": listener.id}
    policy_id = await create_part(tenant, "l7polices", tenant.path("l7policies"), **redirect)

    assert (await tenant.api.delete(tenant.path(POOLS, pool_id))).status_code == 409

    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("l7policies", policy_id)))
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path(POOLS, pool_id)))


async def test_a_task_on_a_part_locks_the_whole_load_balancer(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    pool_id = await create_pool(tenant, listener)
    policy_id = await create_part(tenant, "l7polices", tenant.path("l7policies"), **POLICY, listener_id=listener.id)
    member_path = tenant.path("loadbalancers", "pools", pool_id, "members")
    await inject_fault(tenant, FaultKind.HOLD, "create_lbmember")
    (task_id,) = (await tenant.api.post(member_path, json=MEMBER)).json()["tasks"]

    view = await get_view(tenant, POOLS, pool_id)
    assert (view["provisioning_status"], view["task_id"]) == ("PENDING_UPDATE", task_id)
    (member,) = view["members"]
    assert (member["provisioning_status"], member["operating_status"]) == ("PENDING_CREATE", "OFFLINE")
    refused = [
        await tenant.api.post(member_path, json={**MEMBER, "protocol_port": 81}),
        await tenant.api.put(member_path, json=[]),
        await tenant.api.patch(f"{member_path}/{member['id']}", json={"weight": 2}),
        await tenant.api.delete(f"{member_path}/{member['id']}"),
        await tenant.api.patch(tenant.path(POOLS, pool_id, version=2), json={"name": "other"}),
        await tenant.api.delete(tenant.path(POOLS, pool_id)),
        await tenant.api.post(tenant.path(POOLS, pool_id, "healthmonitor"), json=MONITOR),
        await tenant.api.post(tenant.path("l7policies"), json={**POLICY, "listener_id": listener.id}),
        await tenant.api.patch(tenant.path("l7policies", policy_id), json={"name": "other"}),
        await tenant.api.delete(tenant.path("l7policies", policy_id)),
    ]
    for answer in refused:
        assert answer.status_code == 409, answer.text
        assert f"Operation on resource `{listener.load_balancer_id}` currently locked" in answer.json()["message"]
        assert f"`create_lbmember` with id `{task_id}`" in answer.json()["message"]

    await tenant.api.delete("/_pileus/faults")
    await tenant.wait_for_task(task_id)
    assert (await get_view(tenant, POOLS, pool_id))["provisioning_status"] == "ACTIVE"


async def test_a_failed_change_leaves_the_pool_as_it_was(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant, members=[MEMBER], healthmonitor=MONITOR)
    before = await get_view(tenant, POOLS, pool_id)
    await inject_fault(tenant, FaultKind.FAIL, "patch_lbpool")
    body = {"name": "other", "members": [{**MEMBER, "protocol_port": 81}], "healthmonitor": None}

    answer = await tenant.api.patch(tenant.path(POOLS, pool_id, version=2), json=body)

    task = await tenant.wait_for_task(answer.json()["tasks"][0])
    assert (task["state"], task["created_resources"]) == ("ERROR", None)
    assert await get_view(tenant, POOLS, pool_id) == before


async def test_a_failed_creation_leaves_nothing_behind(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    await inject_fault(tenant, FaultKind.FAIL, "create_lbpool")
    body = {**POOL, "listener_id": listener.id, "members": [MEMBER]}

    answer = await tenant.api.post(tenant.path(POOLS), json=body)

    assert (await tenant.wait_for_task(answer.json()["tasks"][0]))["state"] == "ERROR"
    assert (await tenant.api.get(tenant.path(POOLS))).json()["count"] == 0
    await tenant.api.delete("/_pileus/faults")
    assert await create_pool(tenant, listener)


async def test_a_member_names_an_instance_by_one_of_its_addresses(tenant: Tenant, stranger: Tenant) -> None:
    listener, instance = await a_balanced_listener(tenant), await an_instance(tenant)
    address = (await get_view(tenant, "instances", instance.id))["addresses"]
    ip = next(iter(address.values()))[0]["addr"]
    theirs = await an_instance(stranger)

    async def status(**member: Any) -> int:
        body = {**POOL, "listener_id": listener.id, "members": [{"protocol_port": 80, **member}]}
        return (await tenant.api.post(tenant.path(POOLS), json=body)).status_code

    assert await status(address="203.0.113.77", instance_id=instance.id) == 400
    assert await status(address=ip, instance_id=theirs.id) == 404
    assert await status(address=ip, subnet_id=UNKNOWN) == 404
    assert await status(address=ip, instance_id=instance.id) == 200


@pytest.mark.parametrize("field", ["secret_id", "ca_secret_id"])
async def test_a_secret_for_tls_to_members_must_exist(tenant: Tenant, field: str) -> None:
    listener = await a_balanced_listener(tenant)

    answer = await tenant.api.post(tenant.path(POOLS), json={**POOL, "listener_id": listener.id, field: UNKNOWN})

    message = f"Could not retrieve certificate: Secret {UNKNOWN} could not be found"
    assert (answer.status_code, answer.json()["message"]) == (400, message)
    pool_id = await create_pool(tenant, listener)
    changed = await tenant.api.patch(tenant.path(POOLS, pool_id, version=2), json={field: UNKNOWN})
    assert changed.status_code == 400


async def test_a_pool_of_another_project_is_not_found(tenant: Tenant, stranger: Tenant) -> None:
    pool_id = await create_pool(stranger)

    for answer in (
        await tenant.api.get(tenant.path(POOLS, pool_id)),
        await tenant.api.patch(tenant.path(POOLS, pool_id, version=2), json={"name": "mine"}),
        await tenant.api.delete(tenant.path(POOLS, pool_id)),
        await tenant.api.get(f"/cloud/v1/{POOLS}/{stranger.project_id}/{REGION}/{pool_id}"),
    ):
        assert answer.status_code in (403, 404), answer.text
    assert (await get_view(stranger, POOLS, pool_id))["name"] == "web"
