"""Members and health monitors of pools: create, list, change, replace and delete them."""

from typing import Any

import pytest

from pileus.domain.faults import FaultKind
from pileus.store.network import ports
from tests.balancers import MEMBER, MONITOR, a_balanced_listener, create_part, create_pool, members_path
from tests.builders import a_network, driver_of, inject_fault
from tests.networks import get_view
from tests.tenants import Tenant

POOLS = "lbpools"
OTHER = "00000000-0000-4000-8000-000000000000"


async def list_targets(tenant: Tenant, pool_id: str, **query: str) -> list[tuple[str, int]]:
    """Return addresses and ports of the members of a pool, as they are listed."""
    page = (await tenant.api.get(members_path(tenant, pool_id), params=query)).json()
    assert "count" in page, page
    assert page["count"] == len(page["results"])
    return [(member["address"], member["protocol_port"]) for member in page["results"]]


async def test_the_sdk_adds_changes_replaces_and_removes_members(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant)
    members = tenant.sdk.cloud.load_balancers.pools.members

    member = await members.create_and_poll(
        pool_id, address="2001:DB8::1", protocol_port=80, weight=7, backup=True, polling_interval_seconds=0
    )
    assert (member.address, member.weight, member.backup, member.operating_status) == (
        "2001:db8::1",
        7,
        True,
        "NO_MONITOR",
    )

    assert (member.subnet_id, "instance_id" in member.to_dict()) == (None, False)

    changed = await members.update_and_poll(
        member.id, pool_id=pool_id, weight=9, monitor_port=8080, polling_interval_seconds=0
    )
    assert (changed.id, changed.weight, changed.monitor_port, changed.backup) == (member.id, 9, 8080, True)

    replaced = await members.replace_and_poll(
        pool_id,
        body=[{"address": "2001:db8::1", "protocol_port": 80}, {"address": "203.0.113.9", "protocol_port": 80}],
        polling_interval_seconds=0,
    )
    assert [(part.address, part.weight) for part in replaced] == [("2001:db8::1", 1), ("203.0.113.9", 1)]
    assert replaced[0].id == member.id

    await members.delete_and_poll(member.id, pool_id=pool_id, polling_interval_seconds=0)
    assert await list_targets(tenant, pool_id) == [("203.0.113.9", 80)]
    assert (await tenant.api.get(members_path(tenant, pool_id, member.id))).status_code == 404


async def test_members_are_listed_by_address_or_time(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant)
    for port, address in ((1, "203.0.113.9"), (2, "203.0.113.1"), (3, "203.0.113.5")):
        await create_part(tenant, "members", members_path(tenant, pool_id), address=address, protocol_port=port)

    assert [port for _, port in await list_targets(tenant, pool_id)] == [2, 3, 1]
    assert [port for _, port in await list_targets(tenant, pool_id, order_by="address.desc")] == [1, 3, 2]
    assert [port for _, port in await list_targets(tenant, pool_id, order_by="created_at.desc")] == [3, 2, 1]
    page = (await tenant.api.get(members_path(tenant, pool_id), params={"limit": 1, "offset": 1})).json()
    assert (page["count"], [member["protocol_port"] for member in page["results"]]) == (3, [3])


async def test_a_second_member_with_address_and_port_is_a_conflict(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant, members=[MEMBER])

    answer = await tenant.api.post(members_path(tenant, pool_id), json=MEMBER)

    assert (answer.status_code, answer.json()["exception_class"]) == (409, "ConflictError")
    await create_part(tenant, "members", members_path(tenant, pool_id), **{**MEMBER, "protocol_port": 81})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**MEMBER, "weight": 0}, "weight"),
        ({**MEMBER, "weight": 257}, "weight"),
        ({**MEMBER, "protocol_port": 0}, "protocol_port"),
        ({**MEMBER, "address": "web.example"}, "address"),
        ({**MEMBER, "monitor_address": "fe80::1%eth0"}, "monitor_address"),
        ({**MEMBER, "monitor_port": 65536}, "monitor_port"),
        ({**MEMBER, "subnet_id": "x"}, "subnet_id"),
        ({"address": "203.0.113.1"}, "protocol_port"),
    ],
)
async def test_an_invalid_member_is_refused_with_its_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    pool_id = await create_pool(tenant)

    answer = await tenant.api.post(members_path(tenant, pool_id), json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_two_equal_members_in_one_set_are_refused_by_position(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant)

    answer = await tenant.api.put(members_path(tenant, pool_id), json=[MEMBER, {**MEMBER, "weight": 2}])

    assert answer.status_code == 400
    assert list(answer.json()["invalid_fields"]["members"]) == ["1"]


async def test_the_same_set_or_patch_again_starts_no_task(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant, members=[MEMBER])
    (member,) = (await get_view(tenant, POOLS, pool_id))["members"]

    assert (await tenant.api.put(members_path(tenant, pool_id), json=[MEMBER])).json() == {"tasks": []}
    for body in ({}, {"weight": 1}, {"monitor_port": None}):
        answer = await tenant.api.patch(members_path(tenant, pool_id, member["id"]), json=body)
        assert answer.json() == {"tasks": []}


async def test_the_task_of_a_new_set_names_all_members(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant, members=[MEMBER])
    (member,) = (await get_view(tenant, POOLS, pool_id))["members"]

    task = await tenant.wait_until_finished(
        await tenant.api.put(members_path(tenant, pool_id), json=[{**MEMBER, "protocol_port": 81}])
    )

    (added,) = (await get_view(tenant, POOLS, pool_id))["members"]
    assert task["task_type"] == "patch_lbpool"
    assert set(task["created_resources"]["members"]) == {member["id"], added["id"]}


async def test_members_by_the_older_path(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant)
    path = tenant.path(POOLS, pool_id, "member")

    member_id = await create_part(tenant, "members", path, **MEMBER)
    assert await list_targets(tenant, pool_id) == [("203.0.113.10", 80)]

    await tenant.wait_until_finished(await tenant.api.delete(f"{path}/{member_id}"))
    assert await list_targets(tenant, pool_id) == []


async def test_a_member_of_another_pool_or_project_is_not_found(tenant: Tenant, stranger: Tenant) -> None:
    pool_id, theirs = await create_pool(tenant, members=[MEMBER]), await create_pool(stranger, members=[MEMBER])
    (member,) = (await get_view(stranger, POOLS, theirs))["members"]

    for path in (members_path(tenant, pool_id, member["id"]), members_path(tenant, theirs, member["id"])):
        assert (await tenant.api.get(path)).status_code == 404
        assert (await tenant.api.patch(path, json={"weight": 2})).status_code == 404
        assert (await tenant.api.delete(path)).status_code == 404
    assert (await tenant.api.get(members_path(tenant, theirs))).status_code == 404
    assert (await tenant.api.post(members_path(tenant, theirs), json=MEMBER)).status_code == 404


async def test_a_member_in_a_subnet_of_the_project(tenant: Tenant, stranger: Tenant) -> None:
    pool_id = await create_pool(tenant)
    _, (subnet,) = await a_network(tenant)
    _, (foreign,) = await a_network(stranger)
    member = {"address": "10.0.0.50", "protocol_port": 80}

    for subnet_id in (foreign.id, OTHER):
        answer = await tenant.api.post(members_path(tenant, pool_id), json={**member, "subnet_id": subnet_id})
        assert answer.status_code == 404, answer.text
    await create_part(tenant, "members", members_path(tenant, pool_id), **member, subnet_id=subnet.id)

    (view,) = (await get_view(tenant, POOLS, pool_id))["members"]
    assert (view["subnet_id"], "instance_id" in view) == (subnet.id, False)


async def test_the_machines_have_ports_in_the_subnets_of_members(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    pool_id = await create_pool(tenant, listener)
    network, (subnet,) = await a_network(tenant)
    members = [{"address": f"10.0.0.{number}", "protocol_port": 80, "subnet_id": subnet.id} for number in (50, 51)]
    member_ids = [await create_part(tenant, "members", members_path(tenant, pool_id), **member) for member in members]

    async def list_machine_subnets() -> tuple[list[str], int]:
        async with tenant.running.app_state.db.read() as tx:
            lines = await ports.list_machine_addresses_of_load_balancer(tx, listener.load_balancer_id)
        balancer = await driver_of(tenant.running).find_load_balancer(listener.load_balancer_id)
        return [line.subnet_id for line in lines], len(balancer.machines) if balancer else 0

    assert await list_machine_subnets() == ([subnet.id] * 2, 2)
    assert (await tenant.api.delete(tenant.path("subnets", subnet.id))).status_code == 409
    await tenant.wait_until_finished(await tenant.api.delete(members_path(tenant, pool_id, member_ids[0])))
    assert await list_machine_subnets() == ([subnet.id] * 2, 2)
    await tenant.wait_until_finished(await tenant.api.delete(members_path(tenant, pool_id, member_ids[1])))
    assert await list_machine_subnets() == ([], 0)
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("networks", network.id)))


async def test_a_member_whose_addition_fails_leaves_no_ports(tenant: Tenant) -> None:
    listener = await a_balanced_listener(tenant)
    pool_id = await create_pool(tenant, listener)
    _, (subnet,) = await a_network(tenant)
    await inject_fault(tenant, FaultKind.FAIL, "create_lbmember")
    member = {"address": "10.0.0.50", "protocol_port": 80, "subnet_id": subnet.id}

    answer = await tenant.api.post(members_path(tenant, pool_id), json=member)

    assert (await tenant.wait_for_task(answer.json()["tasks"][0]))["state"] == "ERROR"
    async with tenant.running.app_state.db.read() as tx:
        assert await ports.list_machine_addresses_of_load_balancer(tx, listener.load_balancer_id) == []


async def test_the_sdk_creates_changes_and_deletes_a_health_monitor(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant)
    monitors = tenant.sdk.cloud.load_balancers.pools.health_monitors

    created = await monitors.create(pool_id, type="HTTP", delay=10, api_timeout=5, max_retries=2, url_path="/up")
    task = await tenant.wait_for_task(created.tasks[0])
    monitor = await monitors.get(pool_id)
    assert (task["task_type"], task["created_resources"]["healthmonitors"]) == (
        "create_lbpool_health_monitor",
        [monitor.id],
    )
    assert (monitor.http_method, monitor.url_path, monitor.expected_codes) == ("GET", "/up", "200")
    assert (monitor.max_retries_down, monitor.operating_status, monitor.admin_state_up) == (3, "ONLINE", True)

    changed = await monitors.update(pool_id, delay=20, url_path=None)
    task = await tenant.wait_for_task(changed.tasks[0])
    assert (task["task_type"], task["created_resources"]) == ("update_lbpool_health_monitor", None)
    monitor = await monitors.get(pool_id)
    assert (monitor.delay, monitor.url_path, monitor.timeout) == (20, "/", 5)

    await monitors.delete(pool_id)
    assert (await tenant.api.get(tenant.path(POOLS, pool_id, "healthmonitor"))).status_code == 404
    assert (await tenant.api.delete(tenant.path(POOLS, pool_id, "healthmonitor"))).status_code == 404


async def test_a_monitor_of_another_type_has_no_fields_of_http(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant, healthmonitor=MONITOR)

    view = (await get_view(tenant, POOLS, pool_id))["healthmonitor"]

    fields = ("http_method", "url_path", "expected_codes", "http_version", "domain_name")
    assert [view[field] for field in fields] == [None] * 5


async def test_a_pool_has_one_monitor(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant, healthmonitor=MONITOR)

    answer = await tenant.api.post(tenant.path(POOLS, pool_id, "healthmonitor"), json=MONITOR)

    assert (answer.status_code, answer.json()["exception_class"]) == (409, "ConflictError")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timeout": 10}, "timeout"),
        ({"max_retries": 11}, "max_retries"),
        ({"type": "UDP-CONNECT"}, "type"),
        ({"type": "FTP"}, "type"),
        ({"url_path": "/"}, "url_path"),
        ({"type": "HTTP", "url_path": "/a?b"}, "url_path"),
        ({"type": "HTTP", "expected_codes": "ok"}, "expected_codes"),
        ({"type": "HTTP", "domain_name": "a.example"}, "domain_name"),
        ({"type": "HTTP", "http_version": "2"}, "http_version"),
    ],
)
async def test_an_invalid_monitor_is_refused_with_its_field(
    tenant: Tenant, changes: dict[str, Any], field: str
) -> None:
    pool_id = await create_pool(tenant)

    answer = await tenant.api.post(tenant.path(POOLS, pool_id, "healthmonitor"), json={**MONITOR, **changes})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_a_monitor_whose_deletion_fails_stays(tenant: Tenant) -> None:
    pool_id = await create_pool(tenant, healthmonitor=MONITOR)
    before = await get_view(tenant, POOLS, pool_id)
    await inject_fault(tenant, FaultKind.FAIL, "delete_lbpool_health_monitor")

    answer = await tenant.api.delete(tenant.path(POOLS, pool_id, "healthmonitor"))

    assert answer.status_code == 409, answer.text
    assert await get_view(tenant, POOLS, pool_id) == before
