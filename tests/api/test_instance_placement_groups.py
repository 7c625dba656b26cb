"""Put instances into placement groups and remove them."""

import asyncio
from typing import Any

import httpx
import pytest
from gcore import NotFoundError

from pileus.domain.account.access import Role
from pileus.domain.compute.instances import Instance
from pileus.domain.compute.placement_groups import PlacementGroup
from pileus.domain.faults import FaultKind
from tests.builders import (
    BARE_METAL,
    a_placement_group,
    an_instance,
    driver_of,
    inject_fault,
    list_user_actions,
    reload_instance,
)
from tests.tenants import Tenant

UNKNOWN = "00000000-0000-4000-8000-000000000000"
HOSTS = [f"sim-{number:02}-r1" for number in range(1, 17)]


async def put_into_group(tenant: Tenant, instance: Instance, group: PlacementGroup | str) -> httpx.Response:
    group_id = group if isinstance(group, str) else group.id
    path = tenant.path("instances", instance.id, "put_into_servergroup")
    return await tenant.api.post(path, json={"servergroup_id": group_id})


async def remove_from_group(tenant: Tenant, instance: Instance) -> httpx.Response:
    return await tenant.api.post(tenant.path("instances", instance.id, "remove_from_servergroup"))


async def host_of(tenant: Tenant, instance: Instance) -> str | None:
    """Return the host that runs the machine."""
    return (await driver_of(tenant.running).get_machine(instance.id)).host


@pytest.mark.parametrize(
    ("policy", "others", "moves"),
    [
        ("affinity", [], False),
        ("affinity", [HOSTS[0]], False),
        ("affinity", [HOSTS[1]], True),
        ("anti-affinity", [], False),
        ("anti-affinity", [HOSTS[1]], False),
        ("anti-affinity", [HOSTS[0]], True),
        ("soft-anti-affinity", [HOSTS[0]], True),
        ("soft-anti-affinity", HOSTS, False),
    ],
)
async def test_a_new_member_migrates_only_if_the_policy_requires_it(
    tenant: Tenant, *, policy: str, others: list[str], moves: bool
) -> None:
    group = await a_placement_group(tenant, policy)
    for host in others:
        await an_instance(tenant, host=host, placement_group_id=group.id)
    instance = await an_instance(tenant, host=HOSTS[0])

    task = await tenant.wait_until_finished(await put_into_group(tenant, instance, group))

    after = await reload_instance(tenant, instance)
    assert (task["task_type"], task["created_resources"]) == ("put_into_server_group", None)
    assert task["data"] == {"instance_id": instance.id, "servergroup_id": group.id}
    assert (after.placement_group_id, after.task_id, after.status) == (group.id, None, "ACTIVE")
    assert (after.host != HOSTS[0]) is moves or policy == "soft-anti-affinity"
    assert await host_of(tenant, instance) == after.host
    if policy == "affinity":
        assert after.host in (others or [HOSTS[0]])
    elif len(others) < len(HOSTS):
        assert after.host not in others


async def test_an_instance_that_is_shut_off_migrates_too(tenant: Tenant) -> None:
    group = await a_placement_group(tenant)
    await an_instance(tenant, host=HOSTS[0], placement_group_id=group.id)
    instance = await an_instance(tenant, host=HOSTS[0], status="SHUTOFF")

    await tenant.wait_until_finished(await put_into_group(tenant, instance, group))

    assert (await reload_instance(tenant, instance)).status == "SHUTOFF"
    assert await host_of(tenant, instance) != HOSTS[0]


async def test_concurrent_members_get_different_hosts(tenant: Tenant) -> None:
    group = await a_placement_group(tenant)
    servers = [await an_instance(tenant, host=HOSTS[0]) for _ in range(8)]

    answers = await asyncio.gather(*(put_into_group(tenant, server, group) for server in servers))
    for answer in answers:
        await tenant.wait_until_finished(answer)

    assert len({(await reload_instance(tenant, server)).host for server in servers}) == 8


async def test_the_task_fails_without_changes_if_no_host_is_left(tenant: Tenant) -> None:
    group = await a_placement_group(tenant)
    for host in HOSTS:
        await an_instance(tenant, host=host, placement_group_id=group.id)
    instance = await an_instance(tenant, host=HOSTS[0])

    task = await tenant.wait_for_task((await put_into_group(tenant, instance, group)).json()["tasks"][0])

    after = await reload_instance(tenant, instance)
    assert task["error"] == f"Placement group {group.id} (anti-affinity) has no host left for another instance"
    assert (after.placement_group_id, after.host, after.task_id, after.task_state) == (None, HOSTS[0], None, None)


@pytest.mark.parametrize("step", ["choose host", "migrate"])
async def test_a_failure_restores_host_and_membership(tenant: Tenant, step: str) -> None:
    group = await a_placement_group(tenant)
    await an_instance(tenant, host=HOSTS[0], placement_group_id=group.id)
    instance = await an_instance(tenant, host=HOSTS[0])
    await inject_fault(tenant, FaultKind.FAIL, "put_into_server_group", step)

    task = await tenant.wait_for_task((await put_into_group(tenant, instance, group)).json()["tasks"][0])

    after = await reload_instance(tenant, instance)
    assert (task["state"], task["error"]) == ("ERROR", "Injected")
    assert (after.placement_group_id, after.host, after.task_id) == (None, HOSTS[0], None)
    assert await host_of(tenant, instance) == HOSTS[0]


async def test_a_removed_member_stays_on_its_host(tenant: Tenant) -> None:
    group = await a_placement_group(tenant)
    instance = await an_instance(tenant, host=HOSTS[3], placement_group_id=group.id)

    task = await tenant.wait_until_finished(await remove_from_group(tenant, instance))

    after = await reload_instance(tenant, instance)
    assert (task["task_type"], task["created_resources"]) == ("remove_from_server_group", None)
    assert (after.placement_group_id, after.host, after.task_id) == (None, HOSTS[3], None)


async def test_a_failed_removal_keeps_the_membership(tenant: Tenant) -> None:
    group = await a_placement_group(tenant)
    instance = await an_instance(tenant, placement_group_id=group.id)
    await inject_fault(tenant, FaultKind.FAIL, "remove_from_server_group", "remove from the group")

    await tenant.wait_for_task((await remove_from_group(tenant, instance)).json()["tasks"][0])

    after = await reload_instance(tenant, instance)
    assert (after.placement_group_id, after.task_id) == (group.id, None)


async def test_members_cannot_be_put_and_others_cannot_be_removed(tenant: Tenant) -> None:
    group, other = await a_placement_group(tenant), await a_placement_group(tenant)
    member = await an_instance(tenant, placement_group_id=group.id)
    outsider = await an_instance(tenant)

    answers = [
        await put_into_group(tenant, member, group),
        await put_into_group(tenant, member, other),
        await remove_from_group(tenant, outsider),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 404]
    assert answers[0].json()["message"] == f"Instance {member.id} is in placement group {group.id} already"
    with pytest.raises(NotFoundError, match=f"Instance {outsider.id} is in no placement group"):
        await tenant.sdk.cloud.instances.remove_from_placement_group(instance_id=outsider.id)


async def test_bare_metal_cannot_be_in_a_group(tenant: Tenant) -> None:
    group = await a_placement_group(tenant)
    server = await an_instance(tenant, flavor_id=BARE_METAL)

    assert [
        (await put_into_group(tenant, server, group)).status_code,
        (await remove_from_group(tenant, server)).status_code,
    ] == [400, 404]


@pytest.mark.parametrize("fields", [{"status": "SUSPENDED"}, {"status": "ERROR"}, {"task_id": UNKNOWN}])
async def test_an_instance_that_cannot_migrate_cannot_be_put_into_a_group(
    tenant: Tenant, fields: dict[str, Any]
) -> None:
    group = await a_placement_group(tenant)
    instance = await an_instance(tenant, **fields)

    assert (await put_into_group(tenant, instance, group)).status_code == 409


async def test_a_locked_instance_cannot_be_removed_from_a_group(tenant: Tenant) -> None:
    group = await a_placement_group(tenant)
    instance = await an_instance(tenant, placement_group_id=group.id, task_id=UNKNOWN)

    assert (await remove_from_group(tenant, instance)).status_code == 409


async def test_a_locked_group_takes_no_member(tenant: Tenant) -> None:
    group = await a_placement_group(tenant, task_id=UNKNOWN)

    assert (await put_into_group(tenant, await an_instance(tenant), group)).status_code == 409


async def test_groups_and_instances_of_other_tenants_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    instance, group = await an_instance(tenant), await a_placement_group(tenant)
    foreign, foreign_group = await an_instance(stranger), await a_placement_group(stranger)

    answers = {
        f"Placement group {UNKNOWN}": await put_into_group(tenant, instance, UNKNOWN),
        f"Placement group {foreign_group.id}": await put_into_group(tenant, instance, foreign_group),
        f"Instance {foreign.id}": await put_into_group(tenant, foreign, group),
    }

    for noun, answer in answers.items():
        assert (answer.status_code, answer.json()["message"]) == (404, f"{noun} could not be found")
    assert (await remove_from_group(tenant, foreign)).status_code == 404


async def test_put_and_remove_are_in_the_audit_log_with_their_tasks(tenant: Tenant) -> None:
    instance, group = await an_instance(tenant), await a_placement_group(tenant)

    entered = await tenant.wait_until_finished(await put_into_group(tenant, instance, group))
    removed = await tenant.wait_until_finished(await remove_from_group(tenant, instance))

    entries = await list_user_actions(tenant)
    assert [(entry.api_group, entry.action_type, entry.task_id) for entry in entries] == [
        ("instance", "put_into_servergroup", entered["id"]),
        ("instance", "remove_from_servergroup", removed["id"]),
    ]


async def test_a_read_only_role_cannot_change_the_group(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    for verb in ("put_into_servergroup", "remove_from_servergroup"):
        path = tenant.path("instances", instance.id, verb)
        assert (await tenant.clients[Role.USERS].post(path, json={"servergroup_id": UNKNOWN})).status_code == 403


async def test_the_official_client_puts_and_removes(tenant: Tenant) -> None:
    instance, group = await an_instance(tenant), await a_placement_group(tenant)
    api = tenant.sdk.cloud.instances

    entering = await api.add_to_placement_group(instance.id, servergroup_id=group.id)
    await tenant.wait_for_task(entering.tasks[0])
    assert (await reload_instance(tenant, instance)).placement_group_id == group.id
    leaving = await api.remove_from_placement_group(instance.id)
    await tenant.wait_for_task(leaving.tasks[0])
    assert (await reload_instance(tenant, instance)).placement_group_id is None
