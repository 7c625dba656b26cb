"""Adding security groups to an instance and taking them away, by name, for all ports or for one."""

import asyncio
from typing import Any

import httpx
import pytest

from pileus.domain.account.access import Role
from pileus.domain.compute.instances import Instance
from pileus.domain.network.ports import Port
from tests.builders import (
    BARE_METAL,
    a_network,
    a_port,
    a_security_group,
    actions_of,
    an_instance,
    groups_of,
    now_of,
    ports_of,
)
from tests.tenants import Tenant

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def add(tenant: Tenant, instance: Instance, **body: Any) -> httpx.Response:
    return await tenant.api.post(tenant.path("instances", instance.id, "addsecuritygroup"), json=body)


async def take(tenant: Tenant, instance: Instance, **body: Any) -> httpx.Response:
    return await tenant.api.post(tenant.path("instances", instance.id, "delsecuritygroup"), json=body)


def on(port: Port | str | None, *names: str) -> dict[str, Any]:
    port_id = port.id if isinstance(port, Port) else port
    return {"ports_security_group_names": [{"port_id": port_id, "security_group_names": list(names)}]}


async def two_ports(tenant: Tenant, **changes: Any) -> tuple[Instance, Port, Port]:
    """An instance with two ports."""
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    await a_port(tenant, subnet, instance, **changes)
    first, second = await ports_of(tenant, instance)
    return instance, first, second


@pytest.mark.parametrize("body", [{"name": "web"}, on(None, "web")])
async def test_a_group_guards_all_ports(tenant: Tenant, body: dict[str, Any]) -> None:
    instance, first, second = await two_ports(tenant)
    await a_security_group(tenant, "web")

    answer = await add(tenant, instance, **body)

    assert (answer.status_code, answer.content) == (204, b"")
    assert [await groups_of(tenant, port) for port in (first, second)] == [["web"], ["web"]]
    shown = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert shown["security_groups"] == [{"name": "web"}]


async def test_groups_guard_single_ports(tenant: Tenant) -> None:
    instance, first, second = await two_ports(tenant)
    for name in ("web", "ssh"):
        await a_security_group(tenant, name)

    answer = await add(tenant, instance, **on(second, "web", "ssh"))

    assert answer.status_code == 204
    assert [await groups_of(tenant, port) for port in (first, second)] == [[], ["ssh", "web"]]


async def test_a_group_that_guards_already_stays(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await ports_of(tenant, instance)
    await a_security_group(tenant, "web", port)

    assert (await add(tenant, instance, name="web")).status_code == 204
    assert await groups_of(tenant, port) == ["web"]


@pytest.mark.parametrize("body", [{"name": "web"}, on(None, "web")])
async def test_a_group_is_taken_from_all_ports(tenant: Tenant, body: dict[str, Any]) -> None:
    instance, first, second = await two_ports(tenant)
    await a_security_group(tenant, "web", first, second)
    await a_security_group(tenant, "ssh", second)

    answer = await take(tenant, instance, **body)

    assert (answer.status_code, answer.content) == (204, b"")
    assert [await groups_of(tenant, port) for port in (first, second)] == [[], ["ssh"]]


async def test_a_group_is_taken_from_one_port(tenant: Tenant) -> None:
    instance, first, second = await two_ports(tenant)
    await a_security_group(tenant, "web", first, second)

    assert (await take(tenant, instance, **on(first, "web"))).status_code == 204
    assert [await groups_of(tenant, port) for port in (first, second)] == [[], ["web"]]


async def test_taking_away_what_does_not_guard_is_no_error(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await a_security_group(tenant, "web")

    assert (await take(tenant, instance, name="web")).status_code == 204


@pytest.mark.parametrize("change", [add, take])
@pytest.mark.parametrize("body", [{}, {"ports_security_group_names": []}, on(None)])
async def test_nothing_asked_for_changes_nothing(tenant: Tenant, change: Any, body: dict[str, Any]) -> None:
    instance = await an_instance(tenant)

    assert (await change(tenant, instance, **body)).status_code == 204


@pytest.mark.parametrize("change", [add, take])
async def test_unknown_groups_and_ports_and_those_of_others_are_not_found(
    tenant: Tenant, stranger: Tenant, change: Any
) -> None:
    instance, other = await an_instance(tenant), await an_instance(tenant)
    theirs = await an_instance(stranger)
    (elsewhere,) = await ports_of(tenant, other)
    await a_security_group(tenant, "web")
    await a_security_group(stranger, "secret")

    answers = {
        "Security group none": await change(tenant, instance, name="none"),
        "Security group secret": await change(tenant, instance, name="secret"),
        f"Port {UNKNOWN}": await change(tenant, instance, **on(UNKNOWN, "web")),
        f"Port {elsewhere.id}": await change(tenant, instance, **on(elsewhere, "web")),
        f"Instance {theirs.id}": await change(tenant, theirs, name="web"),
    }

    for what, answer in answers.items():
        assert (answer.status_code, answer.json()["message"]) == (404, f"{what} could not be found")


@pytest.mark.parametrize("change", [add, take])
async def test_one_unknown_group_among_others_changes_nothing(tenant: Tenant, change: Any) -> None:
    instance, first, second = await two_ports(tenant)
    await a_security_group(tenant, "web", second)

    assert (await change(tenant, instance, **on(None, "web", "none"))).status_code == 404
    assert [await groups_of(tenant, port) for port in (first, second)] == [[], ["web"]]


async def test_a_port_without_port_security_takes_no_group(tenant: Tenant) -> None:
    instance, first, second = await two_ports(tenant, port_security_enabled=False)
    await a_security_group(tenant, "web")

    named = await add(tenant, instance, **on(second, "web"))
    every = await add(tenant, instance, name="web")

    assert named.status_code == 409
    assert named.json()["message"] == f"No security group can guard port {second.id}: port security is disabled"
    assert every.status_code == 204
    assert [await groups_of(tenant, port) for port in (first, second)] == [["web"], []]


async def test_a_name_that_two_groups_have_is_a_conflict(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    for _ in range(2):
        await a_security_group(tenant, "web")

    answer = await add(tenant, instance, name="web")

    assert answer.status_code == 409
    assert answer.json()["message"].startswith("There are 2 security groups named web")


@pytest.mark.parametrize("change", [add, take])
async def test_nothing_changes_while_a_task_holds_the_instance(tenant: Tenant, change: Any) -> None:
    instance = await an_instance(tenant, task_id=UNKNOWN)
    (port,) = await ports_of(tenant, instance)
    await a_security_group(tenant, "web", port)

    assert (await change(tenant, instance, name="web")).status_code == 409
    assert await groups_of(tenant, port) == ["web"]


async def test_a_group_that_a_task_holds_is_not_added(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await a_security_group(tenant, "web", task_id=UNKNOWN)

    assert (await add(tenant, instance, name="web")).status_code == 409


async def test_bare_metal_takes_no_group(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)
    await a_security_group(tenant, "web")

    assert (await add(tenant, server, name="web")).status_code == 409


async def test_many_who_add_groups_at_once_all_succeed(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await ports_of(tenant, instance)
    names = [f"group-{number}" for number in range(12)]
    for name in names:
        await a_security_group(tenant, name)

    answers = await asyncio.gather(*(add(tenant, instance, name=name) for name in names))

    assert {answer.status_code for answer in answers} == {204}
    assert await groups_of(tenant, port) == sorted(names)
    assert (await now_of(tenant, instance)).revision == instance.revision + 12


@pytest.mark.parametrize(("change", "word"), [(add, "attach"), (take, "detach")])
async def test_a_change_is_in_the_audit_log(tenant: Tenant, change: Any, word: str) -> None:
    instance = await an_instance(tenant)
    await a_security_group(tenant, "web")

    await change(tenant, instance, name="web")

    (line,) = await actions_of(tenant)
    assert (line.api_group, line.action_type, line.resources[0]["resource_id"]) == ("instance", word, instance.id)
    assert line.action_data == on(None, "web")


async def test_who_may_only_look_may_not_change(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    for verb in ("addsecuritygroup", "delsecuritygroup"):
        path = tenant.path("instances", instance.id, verb)
        assert (await tenant.clients[Role.USERS].post(path, json={"name": "web"})).status_code == 403


async def test_the_official_client_assigns_and_unassigns(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await ports_of(tenant, instance)
    await a_security_group(tenant, "web")

    await tenant.sdk.cloud.instances.assign_security_group(instance.id, name="web")
    assert await groups_of(tenant, port) == ["web"]
    await tenant.sdk.cloud.instances.unassign_security_group(
        instance.id, ports_security_group_names=[{"port_id": port.id, "security_group_names": ["web"]}]
    )
    assert await groups_of(tenant, port) == []
