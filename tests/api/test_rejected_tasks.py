"""A task whose arguments do not match its type ends in ERROR, and its records can be changed and deleted again."""

from typing import Any

from pileus.store.database import Tx
from tests.builders import an_instance
from tests.orders import an_order
from tests.storage import a_volume
from tests.tenants import Tenant


async def reject(tenant: Tenant, path: str, body: Any, *, method: str = "POST") -> str:
    """Send a request whose task gets wrong arguments; return the error of the task."""
    fault = await tenant.api.post("/_pileus/faults", json={"kind": "hold"})
    assert fault.is_success, fault.text
    answer = await tenant.api.request(method, path, json=body)
    assert answer.is_success, answer.text
    (task_id,) = answer.json()["tasks"]

    async def spoil(tx: Tx) -> None:
        await tx.run("UPDATE tasks SET args = '{}' WHERE id = :id", id=task_id)

    await tenant.running.app_state.db.write(spoil)
    await tenant.api.delete("/_pileus/faults")
    task = await tenant.wait_for_task(task_id)
    assert task["state"] == "ERROR"
    return str(task["error"])


async def show(tenant: Tenant, noun: str) -> dict[str, Any]:
    """Return the only resource of a kind."""
    answer = await tenant.api.get(tenant.path(noun))
    (view,) = answer.json()["results"]
    return dict(view)


async def test_an_instance_and_its_volume_are_in_error_and_can_be_deleted(tenant: Tenant) -> None:
    error = await reject(tenant, tenant.path("instances", version=2), an_order())
    instance, volume = await show(tenant, "instances"), await show(tenant, "volumes")

    assert "invalid" in error
    assert (instance["status"], instance["vm_state"], instance["task_id"]) == ("ERROR", "error", None)
    assert (volume["status"], volume["task_id"]) == ("error", None)

    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("instances", instance["id"])))
    assert (await tenant.api.get(tenant.path("instances"))).json()["count"] == 0


async def test_a_resource_without_an_error_status_is_unlocked(tenant: Tenant) -> None:
    await reject(tenant, tenant.path("networks"), {"name": "net", "create_router": False})
    network = await show(tenant, "networks")

    assert network["task_id"] is None
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("networks", network["id"])))


async def test_a_project_whose_deletion_was_rejected_is_active_again(tenant: Tenant) -> None:
    created = await tenant.api.post("/cloud/v1/projects", json={"name": "more"})
    project_id = created.json()["id"]
    await reject(tenant, f"/cloud/v1/projects/{project_id}", None, method="DELETE")

    assert (await tenant.api.get(f"/cloud/v1/projects/{project_id}")).json()["state"] == "ACTIVE"
    await tenant.wait_until_finished(await tenant.api.delete(f"/cloud/v1/projects/{project_id}"))


async def test_records_of_other_tasks_are_left_alone(tenant: Tenant) -> None:
    instance, volume = await an_instance(tenant), await a_volume(tenant)
    await reject(tenant, tenant.path("volumes"), {"name": "other", "source": "new-volume", "size": 1})

    views = (await tenant.api.get(tenant.path("volumes"))).json()["results"]
    statuses = {view["id"]: view["status"] for view in views}
    assert statuses.pop(volume.id) == "available"
    assert "error" in statuses.values()
    assert (await tenant.api.get(tenant.path("instances", instance.id))).json()["status"] == instance.status
