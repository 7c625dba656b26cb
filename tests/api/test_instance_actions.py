"""Power actions of instances: as tasks, and by the deprecated routes that wait."""

import asyncio
from typing import Any

import httpx
import pytest

from pileus.domain.account.access import Role
from pileus.domain.compute.instances import Instance, PowerAction
from pileus.domain.faults import FaultKind
from pileus.drivers.protocols.compute import ObservedMachine
from pileus.store import faults
from pileus.store.network import ddos_profiles
from pileus.testing.conformance.helpers import statuses_by_machine_id
from tests.builders import (
    BARE_METAL,
    a_ddos_profile,
    a_floating_ip,
    an_instance,
    driver_of,
    inject_fault,
    list_addresses,
    list_ports,
    list_user_actions,
    reload_instance,
)
from tests.tenants import Tenant

POWER_ACTIONS = [
    ("start", "SHUTOFF", "ACTIVE", "active", "start_vm"),
    ("stop", "ACTIVE", "SHUTOFF", "stopped", "stop_vm"),
    ("reboot", "ACTIVE", "ACTIVE", "active", "soft_reboot_vm"),
    ("reboot_hard", "SHUTOFF", "ACTIVE", "active", "hard_reboot_vm"),
    ("suspend", "ACTIVE", "SUSPENDED", "suspended", "suspend_vm"),
    ("resume", "SUSPENDED", "ACTIVE", "active", "resume_vm"),
]
STATES_DURING_TASK = {
    "start": ("SHUTOFF", "powering-on"),
    "stop": ("ACTIVE", "powering-off"),
    "reboot": ("REBOOT", "rebooting"),
    "reboot_hard": ("HARD_REBOOT", "rebooting_hard"),
    "suspend": ("ACTIVE", "suspending"),
    "resume": ("SUSPENDED", "resuming"),
}
DEPRECATED_PATHS = {
    "start": "start",
    "stop": "stop",
    "reboot": "reboot",
    "reboot_hard": "powercycle",
    "suspend": "suspend",
    "resume": "resume",
}


async def act(tenant: Tenant, instance: Instance, action: str, **more: Any) -> httpx.Response:
    path = tenant.path("instances", instance.id, "action", version=2)
    return await tenant.api.post(path, json={"action": action, **more})


async def call_deprecated(tenant: Tenant, instance: Instance, name: str, **more: Any) -> httpx.Response:
    return await tenant.api.post(tenant.path("instances", instance.id, name), **more)


async def observe_machine(tenant: Tenant, instance: Instance) -> ObservedMachine:
    (observed,) = [
        candidate async for candidate in driver_of(tenant.running).observe() if candidate.machine_id == instance.id
    ]
    return observed


async def is_profile_active(tenant: Tenant, profile_id: int) -> bool:
    async with tenant.running.app_state.db.read() as tx:
        return (await ddos_profiles.list_by_ids(tx, [profile_id]))[profile_id].active


@pytest.mark.parametrize(("action", "status", "final_status", "vm_state", "task_type"), POWER_ACTIONS)
async def test_an_action_starts_a_task_that_reaches_its_status(
    tenant: Tenant, *, action: str, status: str, final_status: str, vm_state: str, task_type: str
) -> None:
    instance = await an_instance(tenant, status=status)

    task = await tenant.wait_until_finished(await act(tenant, instance, action))

    after = await reload_instance(tenant, instance)
    assert (task["task_type"], task["created_resources"], task["data"]) == (
        task_type,
        None,
        {"instance_id": instance.id},
    )
    assert (after.status, after.vm_state, after.task_id, after.task_state) == (final_status, vm_state, None, None)
    assert (await observe_machine(tenant, instance)).status == final_status
    assert after.changed_at > instance.changed_at


@pytest.mark.parametrize(("action", "status", "arrives", "vm_state", "task_type"), POWER_ACTIONS)
async def test_an_instance_is_locked_and_shows_the_action_during_the_task(
    tenant: Tenant, *, action: str, status: str, arrives: str, vm_state: str, task_type: str
) -> None:
    instance = await an_instance(tenant, status=status)
    await inject_fault(tenant, FaultKind.HOLD, task_type)

    answer = await act(tenant, instance, action)

    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert (view["status"], view["task_state"]) == STATES_DURING_TASK[action]
    assert [view["task_id"]] == answer.json()["tasks"]
    for refused in (
        await act(tenant, instance, action),
        await call_deprecated(tenant, instance, DEPRECATED_PATHS[action]),
    ):
        assert (refused.status_code, refused.json()["exception_class"]) == (409, "ConflictError")
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(answer)
    assert (await reload_instance(tenant, instance)).vm_state == vm_state
    assert (await reload_instance(tenant, instance)).status == arrives


@pytest.mark.parametrize(
    ("action", "status", "instead"),
    [
        ("start", "ACTIVE", ": it can stop, reboot, reboot_hard, suspend"),
        ("start", "ERROR", ": it can stop, reboot_hard"),
        ("reboot", "SHUTOFF", ": it can start, stop, reboot_hard, suspend"),
        ("suspend", "SUSPENDED", ": it can reboot_hard, resume"),
        ("resume", "ACTIVE", ": it can stop, reboot, reboot_hard, suspend"),
        ("stop", "PAUSED", ": it can reboot_hard"),
        ("stop", "MIGRATING", ""),
    ],
)
async def test_an_action_that_the_status_forbids_is_a_conflict_that_names_allowed_actions(
    tenant: Tenant, action: str, status: str, instead: str
) -> None:
    instance = await an_instance(tenant, status=status)

    answer = await act(tenant, instance, action)

    assert answer.status_code == 409
    assert answer.json()["message"] == f"Cannot {action} instance {instance.id} in status {status}{instead}"
    assert await reload_instance(tenant, instance) == instance


@pytest.mark.parametrize(
    ("action", "status", "task_type"),
    [
        ("start", "SHUTOFF", "start_bm"),
        ("stop", "ACTIVE", "stop_bm"),
        ("reboot", "ACTIVE", "soft_reboot_bm"),
        ("reboot_hard", "ACTIVE", "hard_reboot_bm"),
    ],
)
async def test_bare_metal_has_task_types_of_its_own(tenant: Tenant, action: str, status: str, task_type: str) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL, status=status)

    task = await tenant.wait_until_finished(await act(tenant, server, action))

    assert task["task_type"] == task_type


@pytest.mark.parametrize("action", ["suspend", "resume"])
async def test_bare_metal_cannot_be_suspended(tenant: Tenant, action: str) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)

    assert (await act(tenant, server, action)).status_code == 400
    assert (await call_deprecated(tenant, server, action)).status_code == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [({"action": "powercycle"}, "action"), ({}, "action"), ({"action": None}, "action"),
     ({"action": "start", "activate_profile": "maybe"}, "activate_profile")],
)  # fmt: skip
async def test_an_unknown_action_is_invalid(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    instance = await an_instance(tenant)

    answer = await tenant.api.post(tenant.path("instances", instance.id, "action", version=2), json=body)

    assert (answer.status_code, answer.json()["exception_class"]) == (400, "ValidationError")
    assert list(answer.json()["invalid_fields"]) == [field]


async def test_version_1_has_no_route_for_actions(tenant: Tenant) -> None:
    path = tenant.path("instances", (await an_instance(tenant)).id, "action")

    answer = await tenant.api.post(path, json={"action": "stop"})

    assert (answer.status_code, answer.json()["message"]) == (404, f"{path} could not be found")


async def test_instances_of_other_tenants_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    theirs = await an_instance(stranger)

    for answer in (await act(tenant, theirs, "stop"), await call_deprecated(tenant, theirs, "stop")):
        assert (answer.status_code, answer.json()["message"]) == (404, f"Instance {theirs.id} could not be found")
    assert await reload_instance(stranger, theirs) == theirs


@pytest.mark.parametrize(("action", "status", "task_type"), [(entry[0], entry[1], entry[4]) for entry in POWER_ACTIONS])
async def test_a_failed_action_leaves_the_instance_and_its_machine_as_they_were(
    tenant: Tenant, action: str, status: str, task_type: str
) -> None:
    instance = await an_instance(tenant, status=status)
    await inject_fault(tenant, FaultKind.FAIL, task_type, message="No power")

    task = await tenant.wait_for_task((await act(tenant, instance, action)).json()["tasks"][0])

    after = await reload_instance(tenant, instance)
    assert (task["state"], task["error"]) == ("ERROR", "No power")
    assert (after.status, after.vm_state, after.task_id, after.task_state) == (status, instance.vm_state, None, None)
    assert (await observe_machine(tenant, instance)).status == status


async def test_a_failed_action_keeps_an_unusual_vm_state(tenant: Tenant) -> None:
    instance = await an_instance(tenant, vm_state="rescued")
    await inject_fault(tenant, FaultKind.FAIL, "stop_vm")

    await tenant.wait_for_task((await act(tenant, instance, "stop")).json()["tasks"][0])

    assert (await reload_instance(tenant, instance)).vm_state == "rescued"


@pytest.mark.parametrize(
    ("more", "active"), [({}, True), ({"activate_profile": True}, True), ({"activate_profile": None}, True),
                         ({"activate_profile": False}, False)],
)  # fmt: skip
async def test_a_start_activates_ddos_profiles_by_default(
    tenant: Tenant, *, more: dict[str, Any], active: bool
) -> None:
    instance = await an_instance(tenant, status="SHUTOFF")
    (port,) = await list_ports(tenant, instance)
    floating = await a_floating_ip(tenant, port)
    profiles = [
        await a_ddos_profile(tenant, ip, active=False)
        for ip in (*await list_addresses(tenant, port), floating.floating_ip_address)
    ]
    other = await a_ddos_profile(tenant, (await a_floating_ip(tenant)).floating_ip_address, active=False)

    await tenant.wait_until_finished(await act(tenant, instance, "start", **more))

    assert [await is_profile_active(tenant, profile.id) for profile in profiles] == [active, active]
    assert not await is_profile_active(tenant, other.id)


async def test_no_other_action_activates_ddos_profiles(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    profile = await a_ddos_profile(tenant, (await list_addresses(tenant, port))[0], active=False)

    await tenant.wait_until_finished(await act(tenant, instance, "reboot"))

    assert not await is_profile_active(tenant, profile.id)


@pytest.mark.parametrize(("action", "status", "final_status", "vm_state", "task_type"), POWER_ACTIONS)
async def test_a_deprecated_action_returns_the_instance_after_the_task(
    tenant: Tenant, *, action: str, status: str, final_status: str, vm_state: str, task_type: str
) -> None:
    instance = await an_instance(tenant, status=status)

    answer = await call_deprecated(tenant, instance, DEPRECATED_PATHS[action])

    assert answer.status_code == 200, task_type
    assert answer.json() == (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert (answer.json()["status"], answer.json()["vm_state"], answer.json()["task_id"]) == (
        final_status,
        vm_state,
        None,
    )


@pytest.mark.parametrize(
    ("body", "active"), [({"content": b""}, True), ({"json": {}}, True), ({"json": {"activate_profile": True}}, True),
                         ({"json": {"activate_profile": False}}, False)],
)  # fmt: skip
async def test_the_deprecated_start_needs_no_body(tenant: Tenant, *, body: dict[str, Any], active: bool) -> None:
    instance = await an_instance(tenant, status="SHUTOFF")
    (port,) = await list_ports(tenant, instance)
    profile = await a_ddos_profile(tenant, (await list_addresses(tenant, port))[0], active=False)

    answer = await call_deprecated(tenant, instance, "start", **body)

    assert answer.json()["status"] == "ACTIVE"
    assert await is_profile_active(tenant, profile.id) is active


async def test_a_deprecated_action_returns_the_present_instance_after_the_timeout(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = await an_instance(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "stop_vm")
    monkeypatch.setattr(tenant.running.app_state, "patience", 0.01)

    answer = await call_deprecated(tenant, instance, "stop")

    assert (answer.status_code, answer.json()["status"], answer.json()["task_state"]) == (200, "ACTIVE", "powering-off")
    assert answer.json()["task_id"] is not None


async def test_a_deprecated_action_that_fails_returns_the_unchanged_instance(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await inject_fault(tenant, FaultKind.FAIL, "stop_vm")

    answer = await call_deprecated(tenant, instance, "stop")

    assert (answer.status_code, answer.json()["status"], answer.json()["task_id"]) == (200, "ACTIVE", None)


async def test_one_of_many_concurrent_actions_gets_the_lock(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "soft_reboot_vm")

    answers = await asyncio.gather(*(act(tenant, instance, "reboot") for _ in range(12)))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 11
    await tenant.running.app_state.db.write(faults.remove_all)
    (accepted,) = (answer for answer in answers if answer.status_code == 200)
    await tenant.wait_until_finished(accepted)


@pytest.mark.parametrize("action", list(PowerAction))
async def test_every_action_is_in_the_audit_log_with_its_task(tenant: Tenant, action: PowerAction) -> None:
    status = next(case[1] for case in POWER_ACTIONS if case[0] == action)
    instance = await an_instance(tenant, status=status)

    task = await tenant.wait_until_finished(await act(tenant, instance, action))

    (entry,) = await list_user_actions(tenant)
    assert (entry.api_group, entry.action_type, entry.task_id) == ("instance", action.value, task["id"])
    assert entry.resources == [{"resource_id": instance.id, "resource_type": "instance"}]


async def test_a_read_only_role_cannot_act(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    client = tenant.clients[Role.USERS]

    for path in (
        tenant.path("instances", instance.id, "action", version=2),
        *(tenant.path("instances", instance.id, name) for name in DEPRECATED_PATHS.values()),
    ):
        assert (await client.post(path, json={"action": "stop"})).status_code == 403


async def test_the_official_client_starts_and_stops(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    instances = tenant.sdk.cloud.instances

    stop = await instances.action(instance.id, action="stop")
    await tenant.wait_for_task(stop.tasks[0])
    stopped = await instances.get(instance.id)
    start = await instances.action(instance.id, action="start", activate_profile=False)
    await tenant.wait_for_task(start.tasks[0])
    started = await instances.get(instance.id)

    assert (stopped.status, stopped.vm_state) == ("SHUTOFF", "stopped")
    assert (started.status, started.vm_state) == ("ACTIVE", "active")


@pytest.mark.parametrize("action", ["stop", "suspend"])
async def test_undoing_an_action_makes_no_machine_that_is_gone(tenant: Tenant, action: str) -> None:
    instance = await an_instance(tenant)
    await driver_of(tenant.running).ensure_no_machine(instance.id)

    answer = await tenant.api.post(tenant.path("instances", instance.id, "action", version=2), json={"action": action})
    task = await tenant.wait_for_task(answer.json()["tasks"][0])

    assert (task["state"], task["error"]) == ("ERROR", f"Machine {instance.id} does not exist")
    assert instance.id not in await statuses_by_machine_id(driver_of(tenant.running))
