"""Delete instances: what is deleted with them, and what stays."""

from typing import Any

import httpx
import pytest

from pileus.domain.faults import FaultKind
from pileus.store import faults
from pileus.store.network import ddos_profiles, floating_ips, ports
from pileus.store.storage import volumes
from tests.builders import (
    BARE_METAL,
    a_ddos_profile,
    a_floating_ip,
    a_network,
    a_port,
    an_instance,
    inject_fault,
    list_addresses,
    list_ports,
    list_user_actions,
    place_of,
)
from tests.creations import a_volume, count_resources, create_instance
from tests.networks import a_routed_network
from tests.orders import boot
from tests.storage import a_volume as an_attached_volume
from tests.storage import find_volume
from tests.tenants import Tenant


async def delete_instance(tenant: Tenant, instance_id: str, **query: Any) -> httpx.Response:
    return await tenant.api.delete(tenant.path("instances", instance_id), params=query)


async def volume_statuses(tenant: Tenant) -> dict[str, str]:
    async with tenant.running.app_state.db.read() as tx:
        records = await volumes.TABLE.find(tx, "project_id = :id", id=tenant.project_id)
    return {volume.name: volume.status for volume in records}


async def test_a_deleted_instance_is_not_found(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    task = await tenant.wait_until_finished(await delete_instance(tenant, instance.id))

    answer = await tenant.api.get(tenant.path("instances", instance.id))
    assert (task["task_type"], task["data"]["instance_uuid"]) == ("delete_vm", instance.id)
    assert task["created_resources"] is None
    assert (answer.status_code, answer.json()["message"]) == (404, f"Instance {instance.id} could not be found")


@pytest.mark.parametrize("status", ["ERROR", "SHUTOFF", "SUSPENDED", "PAUSED", "BUILD", "UNKNOWN"])
async def test_an_instance_is_deleted_whatever_its_status(tenant: Tenant, status: str) -> None:
    instance = await an_instance(tenant, status=status)

    await tenant.wait_until_finished(await delete_instance(tenant, instance.id))

    assert (await tenant.api.get(tenant.path("instances", instance.id))).status_code == 404


async def test_a_bare_metal_server_is_deleted_by_its_own_task_type(tenant: Tenant) -> None:
    before = await count_resources(tenant)
    instance = await an_instance(tenant, flavor_id=BARE_METAL)

    task = await tenant.wait_until_finished(await delete_instance(tenant, instance.id))

    assert (task["task_type"], task["data"]["instance_uuid"]) == ("delete_bm", instance.id)
    assert await count_resources(tenant) == before


async def test_creation_and_deletion_are_in_the_audit_log(tenant: Tenant) -> None:
    view = await create_instance(tenant, username="me", password="Sup3r-secret")

    task = await tenant.wait_until_finished(await delete_instance(tenant, view["id"], delete_floatings=True))

    entries = await list_user_actions(tenant)
    assert [(entry.api_group, entry.action_type) for entry in entries] == [
        ("instance", "create"),
        ("instance", "delete"),
    ]
    assert all(entry.resources[0]["resource_id"] == view["id"] for entry in entries)
    assert entries[1].task_id == task["id"]
    assert "Sup3r-secret" not in str(entries)


async def test_the_official_sdk_deletes_an_instance(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    await tenant.sdk.cloud.instances.delete_and_poll(instance.id, polling_interval_seconds=1)

    assert (await tenant.api.get(tenant.path("instances", instance.id))).status_code == 404


async def test_everything_created_with_an_instance_can_be_deleted_with_it(tenant: Tenant) -> None:
    network, _ = await a_routed_network(tenant)
    before = await count_resources(tenant)
    interface = {"type": "any_subnet", "network_id": network.id, "floating_ip": {"source": "new"}}
    view = await create_instance(
        tenant, interfaces=[interface], volumes=[boot(delete_on_termination=True)], tags={"a": "b"}
    )

    await tenant.wait_until_finished(await delete_instance(tenant, view["id"], delete_floatings=True))

    assert await count_resources(tenant) == before


async def test_volumes_stay_unless_selected(tenant: Tenant) -> None:
    disks = [
        boot(name="root"),
        {"source": "new-volume", "size": 1, "name": "with-it", "delete_on_termination": True},
        {"source": "new-volume", "size": 1, "name": "named-one"},
        {"source": "new-volume", "size": 1, "name": "stays"},
    ]
    view = await create_instance(tenant, volumes=disks)
    volume_id = view["volumes"][2]["id"]

    await tenant.wait_until_finished(await delete_instance(tenant, view["id"], volumes=volume_id))

    assert await volume_statuses(tenant) == {"root": "available", "stays": "available"}


async def test_floating_ips_stay_unless_selected(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    _, (subnet,) = await a_network(tenant)
    second = await a_port(tenant, subnet, instance)
    deleted_ip, kept_ip = await a_floating_ip(tenant, port), await a_floating_ip(tenant, second)

    await tenant.wait_until_finished(await delete_instance(tenant, instance.id, floatings=deleted_ip.id))

    async with tenant.running.app_state.db.read() as tx:
        deleted_record, kept_record = (
            await floating_ips.find(tx, deleted_ip.id),
            await floating_ips.find(tx, kept_ip.id),
        )
    assert deleted_record is None
    assert kept_record is not None
    assert (kept_record.port_id, kept_record.fixed_ip_address, kept_record.status) == (None, None, "DOWN")


async def test_reserved_fixed_ips_stay_unless_selected(tenant: Tenant) -> None:
    deleted_port, kept_port = await a_port(tenant), await a_port(tenant)
    interfaces = [{"type": "reserved_fixed_ip", "port_id": port.id} for port in (deleted_port, kept_port)]
    view = await create_instance(tenant, interfaces=interfaces)

    await tenant.wait_until_finished(await delete_instance(tenant, view["id"], reserved_fixed_ips=deleted_port.id))

    async with tenant.running.app_state.db.read() as tx:
        records = await ports.TABLE.find(tx, "project_id = :id", id=tenant.project_id)
        kept_addresses = await ports.list_addresses(tx, kept_port.id)
        deleted_addresses = await ports.list_addresses(tx, deleted_port.id)
    assert [(port.id, port.instance_id, port.task_id) for port in records] == [(kept_port.id, None, None)]
    assert len(kept_addresses) == 1
    assert deleted_addresses == []


async def test_ddos_profiles_of_its_addresses_are_deleted(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    profile = await a_ddos_profile(tenant, (await list_addresses(tenant, port))[0])

    await tenant.wait_until_finished(await delete_instance(tenant, instance.id))

    async with tenant.running.app_state.db.read() as tx:
        assert await ddos_profiles.find(tx, profile.id) is None


@pytest.mark.parametrize("parameter", ["volumes", "floatings", "reserved_fixed_ips"])
async def test_resources_of_other_instances_cannot_be_selected(tenant: Tenant, parameter: str) -> None:
    instance, other = await an_instance(tenant), await a_volume(tenant)

    answer = await delete_instance(tenant, instance.id, **{parameter: other.id})

    assert answer.status_code == 400
    assert list(answer.json()["invalid_fields"]) == [parameter]


async def test_floating_ips_are_selected_by_id_or_all(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answer = await delete_instance(tenant, instance.id, floatings="x", delete_floatings=True)

    assert answer.status_code == 400


async def test_a_locked_instance_is_not_deleted(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await tenant.api.post("/_pileus/faults", json={"kind": "hold", "task_type": "delete_vm"})
    first = await delete_instance(tenant, instance.id)

    second = await delete_instance(tenant, instance.id)
    await tenant.api.delete("/_pileus/faults")
    await tenant.wait_until_finished(first)

    assert second.status_code == 409


@pytest.mark.parametrize("step", ["delete the machine", "delete volumes", "remove DDoS protection"])
async def test_a_failed_deletion_can_be_repeated(tenant: Tenant, step: str) -> None:
    instance = await an_instance(tenant)
    await tenant.api.post("/_pileus/faults", json={"kind": "fail", "task_type": "delete_vm", "step": step, "times": 1})

    (task_id,) = (await delete_instance(tenant, instance.id)).json()["tasks"]
    task = await tenant.wait_for_task(task_id)
    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    await tenant.wait_until_finished(await delete_instance(tenant, instance.id))

    assert task["state"] == "ERROR"
    assert (view["status"], view["vm_state"], view["task_id"]) == ("ERROR", "error", None)


async def test_an_instance_of_another_tenant_is_not_found(tenant: Tenant, stranger: Tenant) -> None:
    instance = await an_instance(stranger)

    answer = await delete_instance(tenant, instance.id)

    assert (answer.status_code, answer.json()["message"]) == (404, f"Instance {instance.id} could not be found")
    assert place_of(stranger).project_id == instance.project_id


async def test_volumes_that_a_failed_deletion_has_destroyed_never_become_available(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    kept, destroyed = await an_attached_volume(tenant, instance), await an_attached_volume(tenant, instance)
    await inject_fault(tenant, FaultKind.FAIL, "delete_vm", "remove DDoS protection")
    deleting = await delete_instance(tenant, instance.id, volumes=destroyed.id)
    assert (await tenant.wait_for_task(deleting.json()["tasks"][0]))["state"] == "ERROR"
    failed = [await find_volume(tenant, volume) for volume in (kept, destroyed)]
    await tenant.running.app_state.db.write(faults.remove_all)

    await tenant.wait_until_finished(await delete_instance(tenant, instance.id))

    remaining = [await find_volume(tenant, volume) for volume in (kept, destroyed)]
    assert [volume and (volume.status, volume.task_id) for volume in failed] == [
        ("in-use", None),
        ("error_deleting", None),
    ]
    assert [volume and volume.status for volume in remaining] == ["available", "error_deleting"]
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("volumes", destroyed.id)))
