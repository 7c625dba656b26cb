"""Change the flavor of instances: allowed flavors, the state during the task, and failures."""

from typing import Any

import httpx
import pytest

from pileus.domain.account.access import ALL_CLIENTS, Role
from pileus.domain.compute.instances import Instance
from pileus.domain.faults import FaultKind
from pileus.store import faults
from pileus.store.compute import capacities
from tests.builders import (
    BARE_METAL,
    FLAVOR,
    an_image,
    an_instance,
    driver_of,
    inject_fault,
    list_user_actions,
    reload_instance,
)
from tests.tenants import REGION, Tenant

LARGER = "g1-standard-2-4"


async def change_flavor(tenant: Tenant, instance: Instance, flavor_id: Any = LARGER) -> httpx.Response:
    return await tenant.api.post(tenant.path("instances", instance.id, "changeflavor"), json={"flavor_id": flavor_id})


@pytest.mark.parametrize(("status", "vm_state"), [("ACTIVE", "active"), ("SHUTOFF", "stopped")])
async def test_a_resized_instance_has_the_flavor_and_its_previous_status(
    tenant: Tenant, status: str, vm_state: str
) -> None:
    instance = await an_instance(tenant, status=status)

    task = await tenant.wait_until_finished(await change_flavor(tenant, instance))

    after = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert (task["task_type"], task["created_resources"]) == ("resize_vm", None)
    assert task["data"] == {"instance_id": instance.id, "flavor_id": LARGER}
    assert (after["status"], after["vm_state"], after["task_state"], after["task_id"]) == (status, vm_state, None, None)
    assert (after["flavor"]["flavor_id"], after["flavor"]["ram"]) == (LARGER, 4096)
    machine = await driver_of(tenant.running).get_machine(instance.id)
    assert (machine.flavor_id, machine.vcpus, machine.ram) == (LARGER, 2, 4096)


async def test_an_instance_is_locked_and_shown_as_resizing_during_the_task(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "resize_vm")

    answer = await change_flavor(tenant, instance)

    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert (view["status"], view["vm_state"], view["task_state"]) == ("RESIZE", "resized", "resize_prep")
    assert [view["task_id"]] == answer.json()["tasks"]
    assert (await change_flavor(tenant, instance, "g2-standard-2-4")).status_code == 409
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(answer)


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF"])
async def test_a_failure_restores_the_flavor_and_the_status(tenant: Tenant, status: str) -> None:
    instance = await an_instance(tenant, status=status)
    await inject_fault(tenant, FaultKind.FAIL, "resize_vm", message="No room")

    task = await tenant.wait_for_task((await change_flavor(tenant, instance)).json()["tasks"][0])

    after = await reload_instance(tenant, instance)
    assert (task["state"], task["error"]) == ("ERROR", "No room")
    assert (after.status, after.vm_state, after.flavor_id) == (status, instance.vm_state, FLAVOR)
    assert (after.task_id, after.task_state) == (None, None)
    assert (await driver_of(tenant.running).get_machine(instance.id)).flavor_id == FLAVOR


@pytest.mark.parametrize(
    ("flavor_id", "complaint"),
    [
        ("none-such", "Flavor none-such could not be found"),
        (BARE_METAL, f"Flavor {BARE_METAL} is for servers of another kind"),
        ("g1w-standard-2-4", "is linux on x86_64, flavor g1w-standard-2-4 is for windows on x86_64"),
        (None, "Input should be a valid string"),
    ],
)
async def test_an_unsuitable_flavor_is_invalid(tenant: Tenant, flavor_id: str | None, complaint: str) -> None:
    instance = await an_instance(tenant)

    answer = await change_flavor(tenant, instance, flavor_id)

    assert (answer.status_code, answer.json()["exception_class"]) == (400, "ValidationError")
    assert answer.json()["invalid_fields"]["flavor_id"][0].endswith(complaint)
    assert await reload_instance(tenant, instance) == instance


async def test_the_present_flavor_is_invalid(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answer = await change_flavor(tenant, instance, FLAVOR)

    assert answer.status_code == 400
    assert answer.json()["invalid_fields"] == {"flavor_id": [f"Instance {instance.id} has flavor {FLAVOR} already"]}


async def test_the_flavor_must_meet_the_requirements_of_the_image(tenant: Tenant) -> None:
    image = await an_image(tenant, name="hungry", min_ram=3000)
    instance = await an_instance(tenant, image=image, flavor_id=LARGER)

    answer = await change_flavor(tenant, instance, "g2-standard-1-2")

    assert answer.status_code == 400
    assert answer.json()["invalid_fields"] == {
        "flavor_id": ["Flavor g2-standard-1-2 has 2048 MiB of RAM: image hungry needs 3000"]
    }


async def test_a_flavor_without_capacity_is_refused(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    db = tenant.running.app_state.db
    await db.write(lambda tx: capacities.set_limit(tx, ALL_CLIENTS, REGION, "g2-standard-8-16", 0))

    answer = await change_flavor(tenant, instance, "g2-standard-8-16")

    await db.write(lambda tx: capacities.set_limit(tx, ALL_CLIENTS, REGION, "g2-standard-8-16", None))
    assert (answer.status_code, answer.json()["exception_class"]) == (403, "ForbiddenError")
    assert answer.json()["message"] == "The region 1 has reached the limit of flavor g2-standard-8-16"
    assert await reload_instance(tenant, instance) == instance


@pytest.mark.parametrize("status", ["SUSPENDED", "ERROR", "PAUSED"])
async def test_only_active_or_shut_off_instances_are_resized(tenant: Tenant, status: str) -> None:
    instance = await an_instance(tenant, status=status)

    answer = await change_flavor(tenant, instance)

    assert answer.status_code == 409
    assert answer.json()["message"] == f"Cannot resize instance {instance.id} in status {status}"


async def test_bare_metal_cannot_be_resized(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)

    answer = await change_flavor(tenant, server, "bm1-infrastructure-small")

    assert answer.status_code == 400
    assert "bare metal" in answer.json()["message"]


async def test_instances_of_other_tenants_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    foreign = await an_instance(stranger)

    assert (await change_flavor(tenant, foreign)).status_code == 404
    assert (await change_flavor(tenant, foreign, "none-such")).status_code == 404
    assert await reload_instance(stranger, foreign) == foreign


async def test_a_flavor_change_is_in_the_audit_log_with_its_task(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    task = await tenant.wait_until_finished(await change_flavor(tenant, instance))

    (entry,) = await list_user_actions(tenant)
    assert (entry.api_group, entry.action_type, entry.task_id) == ("instance", "resize", task["id"])
    assert entry.action_data == {"flavor_id": LARGER}


async def test_a_read_only_role_cannot_resize(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    path = tenant.path("instances", instance.id, "changeflavor")

    assert (await tenant.clients[Role.USERS].post(path, json={"flavor_id": LARGER})).status_code == 403


async def test_the_official_client_resizes(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    started = await tenant.sdk.cloud.instances.resize(instance.id, flavor_id=LARGER)
    await tenant.wait_for_task(started.tasks[0])

    resized = await tenant.sdk.cloud.instances.get(instance.id)
    assert (resized.flavor.flavor_id, resized.status) == (LARGER, "ACTIVE")
