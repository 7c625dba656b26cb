"""The control endpoint of the simulated cloud."""

from typing import Any

import pytest

from pileus.domain.account.access import Role
from pileus.domain.compute.instances import VM_STATES, Status
from pileus.domain.network.ddos_profiles import DdosProfile
from pileus.domain.network.subnets import NOT_AN_ADDRESS
from pileus.store.network import ddos_profiles
from pileus.tasks.operations import OPERATIONS
from tests.builders import an_instance, place_of
from tests.tenants import Tenant


async def _get_view(tenant: Tenant, instance_id: str) -> dict[str, Any]:
    return dict((await tenant.api.get(tenant.path("instances", instance_id))).json())


def _first_address(view: dict[str, Any]) -> str:
    (entry,) = view["addresses"]["pub_net"]
    return str(entry["addr"])


@pytest.mark.parametrize("status", list(Status))
async def test_every_status_of_the_api_can_be_simulated(tenant: Tenant, status: Status) -> None:
    instance = await an_instance(tenant)

    answer = await tenant.api.put(f"/_pileus/machines/{instance.id}", json={"status": status})

    view = await _get_view(tenant, instance.id)
    assert answer.status_code == 204
    assert (view["status"], view["vm_state"], view["task_state"]) == (status, VM_STATES[status], None)


@pytest.mark.parametrize("vm_state", sorted(set(VM_STATES.values())))
async def test_every_vm_state_of_the_api_can_be_simulated(tenant: Tenant, vm_state: str) -> None:
    instance = await an_instance(tenant)
    status = next(status for status in Status if VM_STATES[status] == vm_state)

    await tenant.api.put(f"/_pileus/machines/{instance.id}", json={"status": status, "vm_state": vm_state})

    assert (await _get_view(tenant, instance.id))["vm_state"] == vm_state


async def test_an_unknown_state_or_machine_is_rejected(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    wrong = await tenant.api.put(f"/_pileus/machines/{instance.id}", json={"status": "TIRED"})
    unknown = await tenant.api.put("/_pileus/machines/nowhere", json={"status": "ERROR"})

    assert (wrong.status_code, list(wrong.json()["invalid_fields"])) == (400, ["status"])
    assert unknown.status_code == 404


async def test_a_held_task_waits_until_the_fault_is_deleted(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    fault = (await tenant.api.post("/_pileus/faults", json={"kind": "hold", "task_type": "stop_vm"})).json()

    started = await tenant.api.post(tenant.path("instances", instance.id, "action", version=2), json={"action": "stop"})
    view = await _get_view(tenant, instance.id)
    refused = await tenant.api.patch(tenant.path("instances", instance.id), json={"name": "too-early"})
    await tenant.api.delete(f"/_pileus/faults/{fault['id']}")
    await tenant.wait_until_finished(started)

    assert (view["status"], view["task_state"], view["task_id"]) == ("ACTIVE", "powering-off", *started.json()["tasks"])
    assert refused.status_code == 409
    assert (await _get_view(tenant, instance.id))["status"] == "SHUTOFF"


async def test_a_fault_applies_as_often_as_requested(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    action = tenant.path("instances", instance.id, "action", version=2)
    fault = {"kind": "fail", "task_type": "stop_vm", "message": "The rack is on fire", "times": 1}
    await tenant.api.post("/_pileus/faults", json=fault)

    (failed,) = (await tenant.api.post(action, json={"action": "stop"})).json()["tasks"]
    task = await tenant.wait_for_task(failed)
    undone = await _get_view(tenant, instance.id)
    await tenant.wait_until_finished(await tenant.api.post(action, json={"action": "stop"}))

    assert (task["state"], task["error"]) == ("ERROR", "The rack is on fire")
    assert (undone["status"], undone["task_id"], undone["task_state"]) == ("ACTIVE", None, None)
    assert (await tenant.api.get("/_pileus/faults")).json() == []


async def test_a_fault_for_an_unknown_task_type_is_rejected(tenant: Tenant) -> None:
    answer = await tenant.api.post("/_pileus/faults", json={"kind": "fail", "task_type": "make_tea"})

    assert answer.status_code == 400
    assert "task_type" in answer.json()["invalid_fields"]


async def test_the_operations_are_listed_with_their_steps(tenant: Tenant) -> None:
    listed = (await tenant.api.get("/_pileus/operations")).json()

    expected = {name: [step.name for step in operation.steps] for name, operation in OPERATIONS.items()}
    assert {entry["task_type"]: entry["steps"] for entry in listed} == expected


async def test_capacity_is_set_listed_and_removed(tenant: Tenant) -> None:
    await tenant.api.put("/_pileus/capacities/1/g2-standard-32-64", json={"servers": 2})
    limited = (await tenant.api.get("/_pileus/capacities")).json()
    await tenant.api.put("/_pileus/capacities/1/g2-standard-32-64", json={"servers": None})

    limit = {"client_id": tenant.client_id, "region_id": 1, "flavor_id": "g2-standard-32-64", "servers": 2}
    assert limit in limited
    assert limit not in (await tenant.api.get("/_pileus/capacities")).json()


async def test_an_isolated_instance_returns_the_reason(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    path = f"/_pileus/instances/{instance.id}/isolation"

    await tenant.api.put(path, json={"isolated": True, "reason": "It sent spam"})
    isolated = await _get_view(tenant, instance.id)
    await tenant.api.put(path, json={"isolated": False})

    assert isolated["instance_isolation"] == {"reason": "It sent spam"}
    assert (await _get_view(tenant, instance.id))["instance_isolation"] is None


async def test_a_ddos_alarm_is_a_blackholed_port_of_its_instance(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    address = _first_address(await _get_view(tenant, instance.id))

    alarm = (await tenant.api.post("/_pileus/blackholes", json={"region_id": 1, "destination_ip": address})).json()
    (raised,) = (await _get_view(tenant, instance.id))["blackhole_ports"]
    await tenant.api.delete(f"/_pileus/blackholes/{alarm['id']}")
    (ended,) = (await _get_view(tenant, instance.id))["blackhole_ports"]

    assert (raised["ID"], raised["DestinationIP"], raised["AlarmState"]) == (alarm["id"], address, "ALARM")
    assert raised["AlarmEnd"].startswith("0001-01-01")
    assert ended["AlarmState"] == "CLEAR"
    assert not ended["AlarmEnd"].startswith("0001-01-01")


@pytest.mark.parametrize("address", ["", "foo", "192.0.2.0/24", "192.0.2.256", "fe80::1%eth0", "192.0.2.7 "])
async def test_an_alarm_needs_an_address(tenant: Tenant, address: str) -> None:
    refused = await tenant.api.post("/_pileus/blackholes", json={"region_id": 1, "destination_ip": address})

    assert refused.status_code == 400
    assert refused.json()["invalid_fields"] == {"destination_ip": [NOT_AN_ADDRESS]}


async def test_an_alarm_on_any_form_of_an_address_is_on_the_address(tenant: Tenant) -> None:
    alarm = {"region_id": 1, "destination_ip": "2001:DB8:0::1"}

    assert (await tenant.api.post("/_pileus/blackholes", json=alarm)).json()["destination_ip"] == "2001:db8::1"


@pytest.mark.parametrize("state", ["", "A" * 101])
async def test_the_state_of_an_alarm_has_a_bound(tenant: Tenant, state: str) -> None:
    alarm = {"region_id": 1, "destination_ip": "192.0.2.7", "alarm_state": state}

    assert (await tenant.api.post("/_pileus/blackholes", json=alarm)).status_code == 400


async def test_the_ddos_profile_of_an_address_is_returned_with_its_instance(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    cloud, place = tenant.running.app_state, place_of(tenant)
    (template, *_) = cloud.catalogue.ddos_templates
    profile = DdosProfile(
        id=tenant.project_id,
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
        ip_address=_first_address(await _get_view(tenant, instance.id)),
        template_id=template.id,
        created_at=cloud.now(),
    )

    await cloud.db.write(lambda tx: ddos_profiles.add(tx, profile))

    profile_view = (await _get_view(tenant, instance.id))["ddos_profile"]
    assert (profile_view["id"], profile_view["profile_template"]["name"]) == (profile.id, template.name)
    assert profile_view["options"] == {"active": True, "bgp": True}


async def test_only_administrators_use_the_control_endpoint(tenant: Tenant) -> None:
    answer = await tenant.clients[Role.ENGINEERS].post("/_pileus/faults", json={"kind": "hold"})

    assert answer.status_code == 403
