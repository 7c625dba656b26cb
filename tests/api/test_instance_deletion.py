"""Deleting instances: what goes with them, and what stays."""

from typing import Any

import httpx
import pytest

from pileus.store.network import ddos_profiles, floating_ips, ports
from pileus.store.storage import volumes
from tests.builders import (
    BARE_METAL,
    a_ddos_profile,
    a_floating_ip,
    a_network,
    a_port,
    actions_of,
    addresses_of,
    an_instance,
    place_of,
    ports_of,
)
from tests.creations import a_volume, counted, made
from tests.orders import boot
from tests.tenants import Tenant


async def deleted(tenant: Tenant, instance_id: str, **query: Any) -> httpx.Response:
    return await tenant.api.delete(tenant.path("instances", instance_id), params=query)


async def statuses(tenant: Tenant) -> dict[str, str]:
    async with tenant.running.cloud.db.read() as tx:
        found = await volumes.TABLE.find(tx, "project_id = :id", id=tenant.project_id)
    return {volume.name: volume.status for volume in found}


async def test_a_deleted_instance_is_not_there_any_more(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    task = await tenant.finished(await deleted(tenant, instance.id))

    answer = await tenant.api.get(tenant.path("instances", instance.id))
    assert (task["task_type"], task["data"]["instance_uuid"]) == ("delete_vm", instance.id)
    assert task["created_resources"] is None
    assert (answer.status_code, answer.json()["message"]) == (404, f"Instance {instance.id} could not be found")


@pytest.mark.parametrize("status", ["ERROR", "SHUTOFF", "SUSPENDED", "PAUSED", "BUILD", "UNKNOWN"])
async def test_an_instance_is_deleted_whatever_its_status(tenant: Tenant, status: str) -> None:
    instance = await an_instance(tenant, status=status)

    await tenant.finished(await deleted(tenant, instance.id))

    assert (await tenant.api.get(tenant.path("instances", instance.id))).status_code == 404


async def test_a_bare_metal_server_is_deleted_by_a_task_of_its_own(tenant: Tenant) -> None:
    before = await counted(tenant)
    instance = await an_instance(tenant, flavor_id=BARE_METAL)

    task = await tenant.finished(await deleted(tenant, instance.id))

    assert (task["task_type"], task["data"]["instance_uuid"]) == ("delete_bm", instance.id)
    assert await counted(tenant) == before


async def test_making_and_deleting_are_in_the_audit_log(tenant: Tenant) -> None:
    view = await made(tenant, username="me", password="Sup3r-secret")

    task = await tenant.finished(await deleted(tenant, view["id"], delete_floatings=True))

    lines = await actions_of(tenant)
    assert [(line.api_group, line.action_type) for line in lines] == [("instance", "create"), ("instance", "delete")]
    assert all(line.resources[0]["resource_id"] == view["id"] for line in lines)
    assert lines[1].task_id == task["id"]
    assert "Sup3r-secret" not in str(lines)


async def test_the_official_sdk_deletes_one(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    await tenant.sdk.cloud.instances.delete_and_poll(instance.id, polling_interval_seconds=1)

    assert (await tenant.api.get(tenant.path("instances", instance.id))).status_code == 404


async def test_everything_made_for_it_can_go_with_it(tenant: Tenant) -> None:
    before = await counted(tenant)
    network, _ = await a_network(tenant)
    inside = {"type": "any_subnet", "network_id": network.id, "floating_ip": {"source": "new"}}
    view = await made(tenant, interfaces=[inside], volumes=[boot(delete_on_termination=True)], tags={"a": "b"})

    await tenant.finished(await deleted(tenant, view["id"], delete_floatings=True))

    assert await counted(tenant) == before


async def test_volumes_stay_unless_they_are_to_go(tenant: Tenant) -> None:
    disks = [
        boot(name="root"),
        {"source": "new-volume", "size": 1, "name": "with-it", "delete_on_termination": True},
        {"source": "new-volume", "size": 1, "name": "named-one"},
        {"source": "new-volume", "size": 1, "name": "stays"},
    ]
    view = await made(tenant, volumes=disks)
    named = view["volumes"][2]["id"]

    await tenant.finished(await deleted(tenant, view["id"], volumes=named))

    assert await statuses(tenant) == {"root": "available", "stays": "available"}


async def test_floating_ips_stay_unless_they_are_to_go(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await ports_of(tenant, instance)
    _, (subnet,) = await a_network(tenant)
    second = await a_port(tenant, subnet, instance)
    going, staying = await a_floating_ip(tenant, port), await a_floating_ip(tenant, second)

    await tenant.finished(await deleted(tenant, instance.id, floatings=going.id))

    async with tenant.running.cloud.db.read() as tx:
        gone, left = await floating_ips.find(tx, going.id), await floating_ips.find(tx, staying.id)
    assert gone is None
    assert left is not None
    assert (left.port_id, left.fixed_ip_address, left.status) == (None, None, "DOWN")


async def test_reserved_addresses_stay_unless_they_are_to_go(tenant: Tenant) -> None:
    going, staying = await a_port(tenant), await a_port(tenant)
    interfaces = [{"type": "reserved_fixed_ip", "port_id": port.id} for port in (going, staying)]
    view = await made(tenant, interfaces=interfaces)

    await tenant.finished(await deleted(tenant, view["id"], reserved_fixed_ips=going.id))

    async with tenant.running.cloud.db.read() as tx:
        left = await ports.TABLE.find(tx, "project_id = :id", id=tenant.project_id)
        kept = await ports.addresses_of(tx, staying.id)
        freed = await ports.addresses_of(tx, going.id)
    assert [(port.id, port.instance_id, port.task_id) for port in left] == [(staying.id, None, None)]
    assert len(kept) == 1
    assert freed == []


async def test_the_protection_of_its_addresses_goes_with_them(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await ports_of(tenant, instance)
    profile = await a_ddos_profile(tenant, (await addresses_of(tenant, port))[0])

    await tenant.finished(await deleted(tenant, instance.id))

    async with tenant.running.cloud.db.read() as tx:
        assert await ddos_profiles.find(tx, profile.id) is None


@pytest.mark.parametrize("parameter", ["volumes", "floatings", "reserved_fixed_ips"])
async def test_what_is_not_the_instances_cannot_go_with_it(tenant: Tenant, parameter: str) -> None:
    instance, other = await an_instance(tenant), await a_volume(tenant)

    answer = await deleted(tenant, instance.id, **{parameter: other.id})

    assert answer.status_code == 400
    assert list(answer.json()["invalid_fields"]) == [parameter]


async def test_floatings_are_named_or_all_are_meant(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answer = await deleted(tenant, instance.id, floatings="x", delete_floatings=True)

    assert answer.status_code == 400


async def test_a_locked_instance_is_not_deleted(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await tenant.api.post("/_pileus/faults", json={"kind": "hold", "task_type": "delete_vm"})
    first = await deleted(tenant, instance.id)

    second = await deleted(tenant, instance.id)
    await tenant.api.delete("/_pileus/faults")
    await tenant.finished(first)

    assert second.status_code == 409


@pytest.mark.parametrize("step", ["remove the machine", "remove volumes", "stop protecting"])
async def test_a_deletion_that_failed_can_be_asked_again(tenant: Tenant, step: str) -> None:
    instance = await an_instance(tenant)
    await tenant.api.post("/_pileus/faults", json={"kind": "fail", "task_type": "delete_vm", "step": step, "times": 1})

    (task_id,) = (await deleted(tenant, instance.id)).json()["tasks"]
    task = await tenant.ended(task_id)
    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    await tenant.finished(await deleted(tenant, instance.id))

    assert task["state"] == "ERROR"
    assert (view["status"], view["vm_state"], view["task_id"]) == ("ERROR", "error", None)


async def test_another_tenants_instance_is_not_there(tenant: Tenant, stranger: Tenant) -> None:
    instance = await an_instance(stranger)

    answer = await deleted(tenant, instance.id)

    assert (answer.status_code, answer.json()["message"]) == (404, f"Instance {instance.id} could not be found")
    assert place_of(stranger).project_id == instance.project_id
