"""Listeners: defaults, changes, the lock of the load balancer, and what does not fit together."""

import asyncio
from typing import Any

import pytest
from gcore import ConflictError, NotFoundError
from gcore.types.cloud import LoadBalancerListenerDetail

from pileus.domain.faults import FaultKind
from pileus.store import faults
from tests.api.test_load_balancers import HTTP, NOTHING, create
from tests.builders import driver_of, inject_fault
from tests.tenants import Tenant

USER = {"username": "admin", "encrypted_password": "$5$isRr.HJ1IrQP38.m$oViu3DJOpUG2ZsjCBtbITV3mqpxxbZfyWJojLPNSPO5"}


async def create_listener(tenant: Tenant, balancer_id: str, **body: Any) -> LoadBalancerListenerDetail:
    return await tenant.sdk.cloud.load_balancers.listeners.create_and_poll(
        **{**HTTP, "load_balancer_id": balancer_id, **body}, polling_interval_seconds=0
    )


async def test_a_listener_has_the_recorded_defaults(tenant: Tenant) -> None:
    balancer = await create(tenant)

    listener = await create_listener(tenant, balancer.id, connection_limit=-1)

    view = (await tenant.api.get(tenant.path("lblisteners", listener.id))).json()
    assert view["load_balancer_id"] == view["loadbalancer_id"] == balancer.id
    assert (view["connection_limit"], view["timeout_client_data"]) == (100_000, 50_000)
    assert (view["timeout_member_connect"], view["timeout_member_data"]) == (5_000, 50_000)
    assert (view["insert_headers"], view["sni_secret_id"], view["user_list"]) == ({}, [], [])
    assert (view["allowed_cidrs"], view["secret_id"], view["stats"], view["pool_count"]) == (None, None, None, 0)
    assert (view["provisioning_status"], view["operating_status"]) == ("ACTIVE", "ONLINE")


@pytest.mark.parametrize("protocol", ["HTTP", "HTTPS", "TCP", "UDP", "PROMETHEUS"])
async def test_every_protocol_without_certificate_is_accepted(tenant: Tenant, protocol: str) -> None:
    balancer = await create(tenant)

    listener = await create_listener(tenant, balancer.id, protocol=protocol, protocol_port=9101)

    record = await driver_of(tenant.running).find_load_balancer(balancer.id)
    assert record is not None
    assert [(spec.id, spec.protocol, spec.protocol_port) for spec in record.listeners] == [
        (listener.id, protocol, 9101)
    ]


async def test_a_listener_is_changed_and_its_lists_are_cleared_by_null(tenant: Tenant) -> None:
    balancer = await create(tenant)
    listener = await create_listener(
        tenant, balancer.id, insert_x_forwarded=True, allowed_cidrs=["10.1.2.3/8"], user_list=[USER]
    )
    path = tenant.path("lblisteners", listener.id, version=2)

    changed = await tenant.sdk.cloud.load_balancers.listeners.update_and_poll(
        listener.id, name="next", timeout_client_data=1000, connection_limit=7, polling_interval_seconds=0
    )
    task = await tenant.wait_until_finished(
        await tenant.api.patch(path, json={"allowed_cidrs": None, "user_list": [], "timeout_client_data": None})
    )
    cleared = await tenant.sdk.cloud.load_balancers.listeners.get(listener.id)

    assert (changed.name, changed.timeout_client_data, changed.connection_limit) == ("next", 1000, 7)
    assert changed.insert_headers == {
        "X-Forwarded-For": "true",
        "X-Forwarded-Port": "true",
        "X-Forwarded-Proto": "true",
    }
    assert (changed.allowed_cidrs, [user.to_dict() for user in changed.user_list]) == (["10.0.0.0/8"], [USER])
    assert (cleared.allowed_cidrs, cleared.user_list, cleared.timeout_client_data) == (None, [], 50_000)
    assert task["created_resources"]["listeners"] == [listener.id]


async def test_a_patch_of_nothing_has_a_task_because_older_clients_need_it(tenant: Tenant) -> None:
    balancer = await create(tenant)
    listener = await create_listener(tenant, balancer.id)

    answer = await tenant.api.patch(tenant.path("lblisteners", listener.id, version=2), json={})

    await tenant.wait_until_finished(answer)


async def test_a_listener_is_renamed_at_once(tenant: Tenant) -> None:
    balancer = await create(tenant, listeners=[HTTP])
    path = tenant.path("lblisteners", balancer.listeners[0].id)

    answer = await tenant.api.patch(path, json={"name": "next"})

    assert (answer.status_code, answer.json()["name"], answer.json()["task_id"]) == (200, "next", None)


async def test_a_task_on_a_listener_locks_the_whole_load_balancer(tenant: Tenant) -> None:
    balancer = await create(tenant, listeners=[HTTP])
    listener_id = balancer.listeners[0].id
    await inject_fault(tenant, FaultKind.HOLD, "patch_lblistener")
    change = await tenant.api.patch(tenant.path("lblisteners", listener_id, version=2), json={"name": "next"})

    view = await tenant.sdk.cloud.load_balancers.get(balancer.id)
    refusals = [
        await tenant.api.post(
            tenant.path("lblisteners"), json={**HTTP, "protocol_port": 81, "load_balancer_id": balancer.id}
        ),
        await tenant.api.patch(tenant.path("lblisteners", listener_id), json={"name": "third"}),
        await tenant.api.patch(tenant.path("loadbalancers", balancer.id), json={"name": "third"}),
        await tenant.api.post(tenant.path("loadbalancers", balancer.id, "resize"), json={"flavor": "lb1-2-4"}),
        await tenant.api.delete(tenant.path("loadbalancers", balancer.id)),
    ]
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_for_task(change.json()["tasks"][0])

    assert (view.provisioning_status, view.task_id) == ("PENDING_UPDATE", change.json()["tasks"][0])
    assert [answer.status_code for answer in refusals] == [409] * 5
    assert "currently locked by running task `patch_lblistener`" in refusals[0].json()["message"]
    after = await tenant.sdk.cloud.load_balancers.listeners.get(listener_id)
    assert (after.name, after.provisioning_status) == ("next", "ACTIVE")


async def test_of_two_listeners_at_once_on_one_port_one_is_created(tenant: Tenant) -> None:
    balancer = await create(tenant)
    body = {**HTTP, "loadbalancer_id": balancer.id}

    answers = await asyncio.gather(*(tenant.api.post(tenant.path("lblisteners"), json=body) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_a_failed_change_restores_the_listener(tenant: Tenant) -> None:
    balancer = await create(tenant, listeners=[HTTP])
    listener_id = balancer.listeners[0].id
    await inject_fault(tenant, FaultKind.FAIL, "patch_lblistener")

    answer = await tenant.api.patch(tenant.path("lblisteners", listener_id, version=2), json={"name": "next"})
    await tenant.wait_for_task(answer.json()["tasks"][0])

    listener = await tenant.sdk.cloud.load_balancers.listeners.get(listener_id)
    assert (listener.name, listener.provisioning_status, listener.task_id) == ("http", "ACTIVE", None)
    assert (await tenant.sdk.cloud.load_balancers.get(balancer.id)).provisioning_status == "ACTIVE"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"load_balancer_id": None}, 400, "Field required"),
        ({"load_balancer_id": NOTHING}, 404, "could not be found"),
        ({"default_pool_id": NOTHING}, 400, "has no pool"),
        ({"protocol": "TERMINATED_HTTPS"}, 400, "need a certificate"),
        ({"protocol": "TERMINATED_HTTPS", "secret_id": NOTHING}, 400, "could not be found"),
        ({"protocol": "TCP", "insert_x_forwarded": True}, 400, "insert_x_forwarded"),
        ({"protocol": "TCP", "user_list": [USER]}, 400, "user_list"),
        ({"user_list": [USER, USER]}, 400, "given once only"),
        ({"user_list": [{**USER, "encrypted_password": "secret"}]}, 400, "encrypted_password"),
        ({"allowed_cidrs": ["fd00::/64"]}, 400, "has no address of the family"),
        ({"allowed_cidrs": ["ten"]}, 400, "not a valid IPv4 or IPv6 network"),
        ({"connection_limit": 0}, 400, "connection_limit"),
        ({"protocol_port": 81}, 409, "has port 81 already"),
    ],
)
async def test_listeners_that_do_not_fit_are_refused(
    tenant: Tenant, body: dict[str, Any], status: int, message: str
) -> None:
    balancer = await create(tenant, listeners=[{**HTTP, "protocol_port": 81}])

    answer = await tenant.api.post(tenant.path("lblisteners"), json={**HTTP, "load_balancer_id": balancer.id, **body})

    assert answer.status_code == status, answer.text
    assert message in answer.text


async def test_only_one_listener_is_for_prometheus(tenant: Tenant) -> None:
    balancer = await create(tenant, listeners=[{**HTTP, "protocol": "PROMETHEUS"}])

    answer = await tenant.api.post(
        tenant.path("lblisteners"),
        json={**HTTP, "protocol": "PROMETHEUS", "protocol_port": 81, "load_balancer_id": balancer.id},
    )

    assert (answer.status_code, "PROMETHEUS already" in answer.text) == (400, True)


async def test_listeners_are_listed_by_load_balancer_and_name_under_either_parameter(tenant: Tenant) -> None:
    first, second = await create(tenant, listeners=[HTTP]), await create(tenant, listeners=[HTTP])
    path = tenant.path("lblisteners")

    by_new = (await tenant.api.get(path, params={"load_balancer_id": first.id, "show_stats": "true"})).json()
    by_old = (await tenant.api.get(path, params={"loadbalancer_id": second.id})).json()
    by_name = (await tenant.api.get(path, params={"name": "http"})).json()

    assert [view["load_balancer_id"] for view in by_new["results"]] == [first.id]
    assert by_new["results"][0]["stats"]["active_connections"] == 0
    assert [view["load_balancer_id"] for view in by_old["results"]] == [second.id]
    assert by_name["count"] == 2


async def test_a_deleted_listener_is_gone(tenant: Tenant) -> None:
    balancer = await create(tenant, listeners=[HTTP])
    listener_id = balancer.listeners[0].id

    await tenant.sdk.cloud.load_balancers.listeners.delete_and_poll(listener_id, polling_interval_seconds=0)

    with pytest.raises(NotFoundError):
        await tenant.sdk.cloud.load_balancers.listeners.get(listener_id)
    record = await driver_of(tenant.running).find_load_balancer(balancer.id)
    assert record is not None
    assert record.listeners == []


async def test_a_locked_load_balancer_refuses_the_sdk_with_a_conflict(tenant: Tenant) -> None:
    balancer = await create(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "failover_loadbalancer")
    await tenant.sdk.cloud.load_balancers.failover(balancer.id)

    with pytest.raises(ConflictError):
        await create_listener(tenant, balancer.id)
