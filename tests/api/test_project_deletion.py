"""Deletion of projects with everything in them."""

import asyncio
from dataclasses import replace

import pytest

from pileus.domain.compute.images import Image
from pileus.domain.storage.volumes import Snapshot
from pileus.store import faults, project_contents
from pileus.store.compute import images
from pileus.store.load_balancers import load_balancers
from pileus.store.network import ports
from pileus.store.storage import snapshots, volumes
from pileus.store.tables import OWN
from pileus.tasks.operations import OPERATIONS
from tests.api.test_projects import ALL, create, delete_project, error_of, list_names
from tests.balancers import a_balanced_tree
from tests.builders import (
    a_ddos_profile,
    a_floating_ip,
    a_network,
    a_placement_group,
    a_port,
    a_security_group,
    an_instance,
    driver_of,
    list_addresses,
    list_ports,
    reload_instance,
    updated_record_fields,
)
from tests.networks import a_router, a_secret
from tests.simulated_cloud import count_machines_volumes_and_nics
from tests.storage import a_file_share, a_lifecycle_policy, an_access_rule
from tests.tenants import REGION, Tenant


async def new_project(tenant: Tenant, name: str = "second") -> Tenant:
    """Create a project; return the tenant with that project."""
    project = await create(tenant, name)
    return replace(tenant, project_id=project["id"])


async def count_rows(tenant: Tenant, table: str) -> int:
    """Return the number of the project's rows in a table."""
    async with tenant.running.app_state.db.read() as tx:
        row = await tx.one(f"SELECT count(*) FROM {table} WHERE project_id = :id", id=tenant.project_id)
    assert row is not None
    return int(row[0])


async def fill_project(tenant: Tenant) -> None:
    """Create one resource of each kind in the project."""
    _, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet)
    instance = await an_instance(tenant, labels={"env": "prod"})
    inner = await a_port(tenant, subnet, instance)
    await a_security_group(tenant, "web", inner)
    await a_floating_ip(tenant, inner)
    await a_ddos_profile(tenant, (await list_addresses(tenant, (await list_ports(tenant, instance))[0]))[0])
    await a_placement_group(tenant)
    await a_secret(tenant)
    await an_access_rule(tenant, await a_file_share(tenant, subnet, labels={"env": "prod"}))
    await a_file_share(tenant)
    await a_lifecycle_policy(tenant)
    await a_balanced_tree(tenant)
    await tenant.api.post(f"/cloud/v1/ssh_keys/{tenant.project_id}", json={"name": "key"})
    image = Image(**updated_record_fields(tenant), name="mine", os_distro="debian", os_version="12")
    await tenant.running.app_state.db.write(lambda tx: images.TABLE.add(tx, image))
    (volume_id,) = await contents_of(tenant, "volumes")
    snapshot = Snapshot(**updated_record_fields(tenant), volume_id=volume_id, name="before", size=10)
    await tenant.running.app_state.db.write(lambda tx: snapshots.add(tx, snapshot))
    await driver_of(tenant.running).ensure_snapshot(snapshot.id, volume_id)


PROJECTS_OWN = sorted(table for table, which in project_contents.DELETION_ORDER.items() if which == OWN)


async def test_deletion_removes_everything_in_the_project(tenant: Tenant) -> None:
    second = await new_project(tenant)
    await fill_project(tenant)
    driver = driver_of(tenant.running)
    before = (
        await count_machines_volumes_and_nics(tenant.running.app_state.db),
        await driver.volume_ids_by_snapshot_id(),
    )
    kept = {table: await count_rows(tenant, table) for table in PROJECTS_OWN}
    await fill_project(second)
    assert [table for table in PROJECTS_OWN if not await count_rows(second, table)] == []

    task = await tenant.wait_until_finished(await delete_project(tenant, second.project_id))

    assert (task["task_type"], task["project_id"], task["region_id"]) == ("delete_project", second.project_id, None)
    assert (task["data"], task["created_resources"]) == ({"project_id": second.project_id}, None)
    assert {table: await count_rows(second, table) for table in PROJECTS_OWN} == dict.fromkeys(PROJECTS_OWN, 0)
    assert {table: await count_rows(tenant, table) for table in PROJECTS_OWN} == kept
    assert (
        await count_machines_volumes_and_nics(tenant.running.app_state.db),
        await driver.volume_ids_by_snapshot_id(),
    ) == before
    assert (await tenant.api.get(f"{ALL}/{second.project_id}")).status_code == 404
    assert await list_names(tenant) == ["default"]


async def test_no_address_keeps_its_ddos_profile(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    second, freed = await new_project(tenant), []
    (port,) = await list_ports(second, await an_instance(second))
    (address,) = await list_addresses(second, port)
    await a_ddos_profile(second, address)

    async def record_unprotected(region_id: int, ip_address: str) -> None:
        freed.append((region_id, ip_address))

    monkeypatch.setattr(driver_of(tenant.running), "ensure_no_ddos_protection", record_unprotected)
    await tenant.wait_until_finished(await delete_project(tenant, second.project_id))

    assert freed == [(REGION, address)]


async def test_no_address_stays_allocated(tenant: Tenant) -> None:
    async def taken() -> int:
        async with tenant.running.app_state.db.read() as tx:
            row = await tx.one("SELECT count(*) FROM addresses")
        return int(row[0]) if row else 0

    second, before = await new_project(tenant), await taken()
    await fill_project(second)

    await tenant.wait_until_finished(await delete_project(tenant, second.project_id))

    assert await taken() == before


async def test_a_deleted_project_is_listed_on_request_and_its_name_is_free(tenant: Tenant) -> None:
    project = await create(tenant, "second")
    await tenant.wait_until_finished(await delete_project(tenant, project["id"]))

    (gone, _) = (await tenant.api.get(ALL, params={"include_deleted": "true", "order_by": "name.desc"})).json()[
        "results"
    ]
    again = await create(tenant, "second")

    assert (gone["id"], gone["state"], gone["task_id"]) == (project["id"], "DELETED", None)
    assert gone["deleted_at"] > gone["created_at"]
    assert again["id"] != project["id"]
    assert await list_names(tenant, include_deleted=True, name="second") == ["second", "second"]
    assert (await delete_project(tenant, project["id"])).status_code == 404


async def test_the_default_project_cannot_be_deleted(tenant: Tenant) -> None:
    answer = await delete_project(tenant, tenant.project_id)

    assert error_of(answer) == (400, "ValidationError")
    assert "default" in answer.json()["message"]
    assert await list_names(tenant) == ["default"]


async def test_a_project_with_a_running_task_cannot_be_deleted(tenant: Tenant) -> None:
    second = await new_project(tenant)
    instance = await an_instance(second)
    await tenant.api.post("/_pileus/faults", json={"kind": "hold", "task_type": "stop_vm"})
    action = await tenant.api.post(second.path("instances", instance.id, "action", version=2), json={"action": "stop"})

    refused = await delete_project(tenant, second.project_id)
    await tenant.api.delete("/_pileus/faults")
    await tenant.wait_until_finished(action)
    taken = await delete_project(tenant, second.project_id)

    assert error_of(refused) == (409, "ConflictError")
    assert (await tenant.wait_until_finished(taken))["task_type"] == "delete_project"


async def hold_deletion(tenant: Tenant) -> tuple[Tenant, str]:
    """Start the deletion of a project and hold it; return the tenant and the id of the task."""
    second = await new_project(tenant)
    await fill_project(second)
    await tenant.api.post("/_pileus/faults", json={"kind": "hold", "task_type": "delete_project"})
    return second, (await delete_project(tenant, second.project_id)).json()["tasks"][0]


async def test_nothing_in_a_project_in_deletion_can_be_changed(tenant: Tenant) -> None:
    second, task_id = await hold_deletion(tenant)
    (instance,) = (await contents_of(second, "instances"))[:1]

    view = (await tenant.api.get(f"{ALL}/{second.project_id}")).json()
    whole = (await tenant.api.get(second.path("instances", instance))).json()
    refused = [
        await tenant.api.patch(second.path("instances", instance), json={"name": "other"}),
        await tenant.api.post(second.path("instances", instance, "action", version=2), json={"action": "stop"}),
        await tenant.api.patch(f"{ALL}/{second.project_id}", json={"name": "other"}),
        await tenant.api.post(f"/cloud/v1/ssh_keys/{second.project_id}", json={"name": "late"}),
        await delete_project(tenant, second.project_id),
    ]

    assert (view["state"], view["task_id"]) == ("DELETING", task_id)
    assert (whole["task_id"], whole["task_state"]) == (task_id, "deleting")
    assert [error_of(answer) for answer in refused] == [(409, "ConflictError")] * 5
    assert (await tenant.api.get(f"/cloud/v1/ssh_keys/{second.project_id}")).json()["results"][0]["state"] == "DELETING"
    await tenant.running.app_state.db.write(faults.remove_all)
    assert (await tenant.wait_for_task(task_id))["state"] == "FINISHED"


async def contents_of(tenant: Tenant, table: str) -> list[str]:
    async with tenant.running.app_state.db.read() as tx:
        return [id_ for _, id_ in await project_contents.list_regions_and_ids(tx, table, tenant.project_id)]


@pytest.mark.parametrize("step", [step.name for step in OPERATIONS["delete_project"].steps])
async def test_a_failed_deletion_leaves_the_project_usable_and_can_be_repeated(tenant: Tenant, step: str) -> None:
    second = await new_project(tenant)
    instance = await an_instance(second)
    fault = {"kind": "fail", "task_type": "delete_project", "step": step, "message": "No power", "times": 1}
    await tenant.api.post("/_pileus/faults", json=fault)

    failed = await tenant.wait_for_task((await delete_project(tenant, second.project_id)).json()["tasks"][0])
    view = (await tenant.api.get(f"{ALL}/{second.project_id}")).json()
    left = await reload_instance(second, instance)
    again = await delete_project(tenant, second.project_id)

    assert (failed["state"], failed["error"], failed["created_resources"]) == ("ERROR", "No power", None)
    assert (view["state"], view["task_id"], view["deleted_at"]) == ("ACTIVE", None, None)
    assert (left.task_id, left.task_state) == (None, None)
    assert left.status == ("ACTIVE" if step == "delete instances" else "ERROR")
    assert (await tenant.wait_until_finished(again))["state"] == "FINISHED"
    assert await contents_of(second, "instances") == []


async def test_a_failed_deletion_restores_the_floating_ips_of_load_balancers(tenant: Tenant) -> None:
    """But not those of instances, whose machines are gone."""
    second = await new_project(tenant)
    (instance_port,) = await list_ports(second, await an_instance(second))
    ids = await a_balanced_tree(second)
    async with tenant.running.app_state.db.read() as tx:
        balancer = await load_balancers.require(tx, ids["load_balancer_id"])
        vip_port = await ports.require(tx, balancer.vip_port_id)
    floating_ips = [await a_floating_ip(second, port) for port in (vip_port, instance_port)]
    driver = driver_of(tenant.running)
    before = [await driver.find_floating_ip(floating_ip.id) for floating_ip in floating_ips]
    fault = {"kind": "fail", "task_type": "delete_project", "step": "delete images"}
    await tenant.api.post("/_pileus/faults", json=fault)

    failed = await tenant.wait_for_task((await delete_project(tenant, second.project_id)).json()["tasks"][0])

    after = [await driver.find_floating_ip(floating_ip.id) for floating_ip in floating_ips]
    assert failed["state"] == "ERROR"
    assert None not in before
    assert after == [before[0], None]


async def test_a_volume_that_could_not_be_destroyed_is_in_status_error(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = await new_project(tenant)
    await an_instance(second)

    async def stuck(volume_id: str) -> None:
        raise OSError(volume_id)

    monkeypatch.setattr(driver_of(tenant.running), "ensure_no_volume", stuck)
    monkeypatch.setattr("pileus.tasks.retries.MAX_ATTEMPTS", 1)

    failed = await tenant.wait_for_task((await delete_project(tenant, second.project_id)).json()["tasks"][0])

    async with tenant.running.app_state.db.read() as tx:
        (volume,) = await volumes.TABLE.find(tx, "project_id = :id", id=second.project_id)
    assert (failed["state"], failed["error"]) == ("ERROR", "Internal error")
    assert (volume.status, volume.task_id) == ("error_deleting", None)


async def test_resources_created_during_the_deletion_are_not_lost(tenant: Tenant) -> None:
    second, task_id = await hold_deletion(tenant)
    late = await an_instance(second, name="late")

    await tenant.running.app_state.db.write(faults.remove_all)
    failed = await tenant.wait_for_task(task_id)

    assert (failed["state"], failed["error"]) == (
        "ERROR",
        f"A task is under way in project {second.project_id}: try again when it has finished",
    )
    assert (await tenant.api.get(second.path("instances", late.id))).status_code == 200


async def test_of_concurrent_deletions_one_succeeds(tenant: Tenant) -> None:
    second = await new_project(tenant)
    await an_instance(second)
    await tenant.api.post("/_pileus/faults", json={"kind": "hold", "task_type": "delete_project"})

    answers = await asyncio.gather(*(delete_project(tenant, second.project_id) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    await tenant.running.app_state.db.write(faults.remove_all)
    (done,) = [answer for answer in answers if answer.status_code == 200]
    await tenant.wait_until_finished(done)


async def test_every_table_of_project_resources_is_locked_and_emptied(tenant: Tenant) -> None:
    """A new table of project resources must be added to `project_contents`."""
    async with tenant.running.app_state.db.read() as tx:
        columns = await tx.all(
            COLUMNS["sqlite" if tenant.running.app_state.db.__class__.__name__ == "Sqlite" else "postgres"]
        )
    held_by_tasks = {table for table, column in columns if column == "task_id"}
    owned_by_projects = {table for table, column in columns if column == "project_id"} - {
        "http_faults",
        "tasks",
        "user_actions",
        "usage_records",
    }

    assert owned_by_projects - set(project_contents.DELETION_ORDER) == set()
    assert (owned_by_projects & held_by_tasks) - set(project_contents.LOCKABLE) == set()


COLUMNS = {
    "sqlite": "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    "postgres": "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'",
}
