"""Operators and tenants: whose tasks a fault stops, whose capacity a limit counts, and who may say so for others."""

from typing import Any

import pytest

from pileus.domain.account.access import ALL_CLIENTS, Role
from pileus.services.simulation import MAX_FAULTS
from tests.api.routes import ENDPOINTS
from tests.builders import an_instance
from tests.orders import an_order
from tests.tenants import REGION, Tenant

FLAVOR = "g2-standard-2-4"
FAIL: dict[str, Any] = {"kind": "fail", "task_type": "create_fip", "message": "The owner's rehearsal", "times": 1}
SCOPED = [
    endpoint
    for endpoint in ENDPOINTS
    if endpoint.path.startswith(("/_pileus/faults", "/_pileus/capacities", "/_pileus/blackholes"))
]


async def allocate_floating_ip(tenant: Tenant) -> str:
    (task_id,) = (await tenant.api.post(tenant.path("floatingips"), json={})).json()["tasks"]
    return str((await tenant.wait_for_task(task_id))["state"])


async def test_a_fault_fails_only_tasks_of_its_own_tenant(tenant: Tenant, stranger: Tenant) -> None:
    await tenant.api.post("/_pileus/faults", json=FAIL)

    assert await allocate_floating_ip(stranger) == "FINISHED"
    assert await allocate_floating_ip(tenant) == "ERROR"


async def test_an_administrator_neither_sees_nor_deletes_faults_of_another_tenant(
    tenant: Tenant, stranger: Tenant
) -> None:
    fault = (await tenant.api.post("/_pileus/faults", json=FAIL)).json()

    listed = (await stranger.api.get("/_pileus/faults")).json()
    deleted = await stranger.api.delete(f"/_pileus/faults/{fault['id']}")
    await stranger.api.delete("/_pileus/faults")

    assert (listed, deleted.status_code) == ([], 404)
    assert (await tenant.api.get("/_pileus/faults")).json() == [fault]
    assert fault["client_id"] == tenant.client_id


@pytest.mark.parametrize("endpoint", SCOPED, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("client_id", ["another", "missing", "all"])
async def test_an_administrator_cannot_act_for_other_tenants(
    tenant: Tenant, stranger: Tenant, endpoint: Any, client_id: str
) -> None:
    others = {"another": tenant.client_id, "missing": 987654, "all": ALL_CLIENTS}
    path = endpoint.path.replace("{region_id}", "1").replace("{flavor_id}", FLAVOR)
    path = path.replace("{fault_id}", "f").replace("{blackhole_id}", "1")

    answer = await stranger.api.request(
        endpoint.method, path, params={"client_id": others[client_id]}, json=endpoint.body() or {}
    )

    assert answer.status_code == 403
    assert answer.json()["message"] == "The role Administrators does not allow to act for other clients"


async def test_an_administrator_may_name_its_own_tenant(tenant: Tenant) -> None:
    answer = await tenant.api.get("/_pileus/faults", params={"client_id": tenant.client_id})

    assert answer.status_code == 200


async def test_an_operator_acts_for_its_own_tenant_by_default(tenant: Tenant, stranger: Tenant) -> None:
    await tenant.api.post("/_pileus/faults", json=FAIL)

    await stranger.operator.delete("/_pileus/faults")
    own = (await stranger.operator.post("/_pileus/faults", json=FAIL)).json()

    assert own["client_id"] == stranger.client_id
    assert len((await tenant.api.get("/_pileus/faults")).json()) == 1


async def test_an_operator_injects_lists_and_deletes_faults_of_any_tenant(tenant: Tenant, stranger: Tenant) -> None:
    theirs = {"client_id": tenant.client_id}

    fault = (await stranger.operator.post("/_pileus/faults", params=theirs, json=FAIL)).json()
    listed = (await stranger.operator.get("/_pileus/faults", params=theirs)).json()
    deleted = await stranger.operator.delete(f"/_pileus/faults/{fault['id']}", params=theirs)

    assert (listed, deleted.status_code) == ([fault], 204)
    assert fault["client_id"] == tenant.client_id


async def test_an_operator_fails_tasks_of_all_tenants(tenant: Tenant, stranger: Tenant) -> None:
    everybody = {"client_id": ALL_CLIENTS}
    await stranger.operator.post("/_pileus/faults", params=everybody, json=FAIL | {"times": 2})

    states = [await allocate_floating_ip(tenant), await allocate_floating_ip(stranger)]

    assert states == ["ERROR", "ERROR"]
    assert (await stranger.operator.get("/_pileus/faults", params=everybody)).json() == []


async def test_an_operator_is_told_that_a_tenant_does_not_exist(tenant: Tenant) -> None:
    answer = await tenant.operator.post("/_pileus/faults", params={"client_id": 987654}, json=FAIL)

    assert (answer.status_code, answer.json()["message"]) == (404, "Client 987654 could not be found")


async def test_a_tenant_has_a_bounded_number_of_faults(tenant: Tenant) -> None:
    answers = [await tenant.api.post("/_pileus/faults", json={"kind": "hold"}) for _ in range(MAX_FAULTS + 1)]

    assert [answer.status_code for answer in answers] == [200] * MAX_FAULTS + [409]


async def test_a_capacity_counts_only_instances_of_its_tenant(tenant: Tenant, stranger: Tenant) -> None:
    await tenant.api.put(f"/_pileus/capacities/{REGION}/{FLAVOR}", json={"servers": 0})

    assert (await create_instance_status(tenant), await create_instance_status(stranger)) == (403, 200)
    assert (await stranger.api.get("/_pileus/capacities")).json() == []
    await tenant.api.put(f"/_pileus/capacities/{REGION}/{FLAVOR}", json={"servers": None})
    assert await create_instance_status(tenant) == 200


async def test_an_operator_limits_all_tenants_together(tenant: Tenant, stranger: Tenant) -> None:
    path, everybody = f"/_pileus/capacities/{REGION}/{FLAVOR}", {"client_id": ALL_CLIENTS}
    await stranger.api.put(path, json={"servers": 1000})
    await stranger.operator.put(path, params=everybody, json={"servers": 0})

    statuses = (await create_instance_status(tenant), await create_instance_status(stranger))

    await stranger.operator.put(path, params=everybody, json={"servers": None})
    assert statuses == (403, 403)
    assert await create_instance_status(stranger) == 200


async def create_instance_status(tenant: Tenant) -> int:
    order = an_order(flavor=FLAVOR)
    return (await tenant.api.post(tenant.path("instances", version=2), json=order)).status_code


@pytest.mark.parametrize("path", ["capacities/1/no-such-flavor", f"capacities/77/{FLAVOR}"])
async def test_capacity_of_an_unknown_flavor_or_region_is_404(tenant: Tenant, path: str) -> None:
    assert (await tenant.api.put(f"/_pileus/{path}", json={"servers": 1})).status_code == 404


async def test_an_alarm_is_of_its_tenant_even_on_an_address_of_another(tenant: Tenant, stranger: Tenant) -> None:
    instance = await an_instance(tenant)
    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    body = {"region_id": REGION, "destination_ip": view["addresses"]["pub_net"][0]["addr"]}

    await stranger.api.post("/_pileus/blackholes", json=body)
    unaffected = (await tenant.api.get(tenant.path("instances", instance.id))).json()["blackhole_ports"]
    alarm = (await tenant.api.post("/_pileus/blackholes", json=body)).json()
    ended = await stranger.api.delete(f"/_pileus/blackholes/{alarm['id']}")
    (port,) = (await tenant.api.get(tenant.path("instances", instance.id))).json()["blackhole_ports"]

    assert (unaffected, ended.status_code, port["AlarmState"]) == ([], 404, "ALARM")
    assert (await stranger.operator.delete(f"/_pileus/blackholes/{alarm['id']}?client_id=0")).status_code == 204


async def test_only_operators_change_machines_of_other_tenants(tenant: Tenant, stranger: Tenant) -> None:
    instance = await an_instance(tenant)
    path, theirs = f"/_pileus/machines/{instance.id}", {"client_id": tenant.client_id}

    own = await stranger.operator.put(path, json={"status": "ERROR"})
    named = await stranger.operator.put(path, params=theirs, json={"status": "ERROR"})

    assert (own.status_code, named.status_code) == (404, 204)


async def test_an_operator_sets_quotas_and_answers_requests_of_a_tenant(tenant: Tenant, stranger: Tenant) -> None:
    theirs = {"client_id": tenant.client_id}
    limits = {"regional_limits": [{"region_id": REGION, "network_count_limit": 77}]}
    await tenant.api.post("/cloud/v2/limits_request", json={"description": "More", "requested_limits": limits})

    (request,) = (await stranger.operator.get("/_pileus/limit_requests", params=theirs)).json()["results"]
    own = await stranger.operator.put(f"/_pileus/limit_requests/{request['id']}", json={"status": "done"})
    answered = await stranger.operator.put(
        f"/_pileus/limit_requests/{request['id']}", params=theirs, json={"status": "done"}
    )
    await stranger.operator.put(f"/_pileus/quotas/{REGION}", params=theirs, json={"vm_count_limit": 3})

    quotas = (await tenant.api.get(f"/cloud/v2/regional_quotas/{tenant.client_id}/{REGION}")).json()
    assert (own.status_code, answered.json()["status"]) == (404, "done")
    assert (quotas["network_count_limit"], quotas["vm_count_limit"]) == (77, 3)


async def test_quotas_cannot_be_set_for_all_tenants(tenant: Tenant) -> None:
    answer = await tenant.operator.put(f"/_pileus/quotas/{REGION}?client_id=0", json={"vm_count_limit": 3})

    assert answer.status_code == 404


async def test_an_administrator_cannot_raise_its_own_quotas(tenant: Tenant) -> None:
    answer = await tenant.clients[Role.ADMINISTRATORS].put(f"/_pileus/quotas/{REGION}", json={"vm_count_limit": 3})

    assert answer.status_code == 403
