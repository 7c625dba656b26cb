"""Add security groups to an instance and remove them, by name, for all ports or for one."""

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
    an_instance,
    list_group_names,
    list_ports,
    list_user_actions,
    reload_instance,
)
from tests.tenants import Tenant

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def add_groups(tenant: Tenant, instance: Instance, **body: Any) -> httpx.Response:
    return await tenant.api.post(tenant.path("instances", instance.id, "addsecuritygroup"), json=body)


async def remove_groups(tenant: Tenant, instance: Instance, **body: Any) -> httpx.Response:
    return await tenant.api.post(tenant.path("instances", instance.id, "delsecuritygroup"), json=body)


def groups_of_port(port: Port | str | None, *names: str) -> dict[str, Any]:
    port_id = port.id if isinstance(port, Port) else port
    return {"ports_security_group_names": [{"port_id": port_id, "security_group_names": list(names)}]}


async def two_ports(tenant: Tenant, **changes: Any) -> tuple[Instance, Port, Port]:
    """Add an instance with two ports."""
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    await a_port(tenant, subnet, instance, **changes)
    first, second = await list_ports(tenant, instance)
    return instance, first, second


@pytest.mark.parametrize("body", [{"name": "web"}, groups_of_port(None, "web")])
async def test_a_group_is_added_to_all_ports(tenant: Tenant, body: dict[str, Any]) -> None:
    instance, first, second = await two_ports(tenant)
    await a_security_group(tenant, "web")

    answer = await add_groups(tenant, instance, **body)

    assert (answer.status_code, answer.content) == (204, b"")
    assert [await list_group_names(tenant, port) for port in (first, second)] == [["web"], ["web"]]
    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert view["security_groups"] == [{"name": "web"}]


async def test_groups_are_added_to_single_ports(tenant: Tenant) -> None:
    instance, first, second = await two_ports(tenant)
    for name in ("web", "ssh"):
        await a_security_group(tenant, name)

    answer = await add_groups(tenant, instance, **groups_of_port(second, "web", "ssh"))

    assert answer.status_code == 204
    assert [await list_group_names(tenant, port) for port in (first, second)] == [[], ["ssh", "web"]]


async def test_adding_a_group_twice_is_no_error(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    await a_security_group(tenant, "web", port)

    assert (await add_groups(tenant, instance, name="web")).status_code == 204
    assert await list_group_names(tenant, port) == ["web"]


@pytest.mark.parametrize("body", [{"name": "web"}, groups_of_port(None, "web")])
async def test_a_group_is_removed_from_all_ports(tenant: Tenant, body: dict[str, Any]) -> None:
    instance, first, second = await two_ports(tenant)
    await a_security_group(tenant, "web", first, second)
    await a_security_group(tenant, "ssh", second)

    answer = await remove_groups(tenant, instance, **body)

    assert (answer.status_code, answer.content) == (204, b"")
    assert [await list_group_names(tenant, port) for port in (first, second)] == [[], ["ssh"]]


async def test_a_group_is_removed_from_one_port(tenant: Tenant) -> None:
    instance, first, second = await two_ports(tenant)
    await a_security_group(tenant, "web", first, second)

    assert (await remove_groups(tenant, instance, **groups_of_port(first, "web"))).status_code == 204
    assert [await list_group_names(tenant, port) for port in (first, second)] == [[], ["web"]]


async def test_removing_a_group_that_was_not_added_is_no_error(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await a_security_group(tenant, "web")

    assert (await remove_groups(tenant, instance, name="web")).status_code == 204


@pytest.mark.parametrize("change", [add_groups, remove_groups])
@pytest.mark.parametrize("body", [{}, {"ports_security_group_names": []}, groups_of_port(None)])
async def test_an_empty_request_changes_nothing(tenant: Tenant, change: Any, body: dict[str, Any]) -> None:
    instance = await an_instance(tenant)

    assert (await change(tenant, instance, **body)).status_code == 204


@pytest.mark.parametrize("change", [add_groups, remove_groups])
async def test_unknown_and_foreign_groups_and_ports_are_not_found(
    tenant: Tenant, stranger: Tenant, change: Any
) -> None:
    instance, other = await an_instance(tenant), await an_instance(tenant)
    foreign = await an_instance(stranger)
    (other_port,) = await list_ports(tenant, other)
    await a_security_group(tenant, "web")
    await a_security_group(stranger, "secret")

    answers = {
        "Security group none": await change(tenant, instance, name="none"),
        "Security group secret": await change(tenant, instance, name="secret"),
        f"Port {UNKNOWN}": await change(tenant, instance, **groups_of_port(UNKNOWN, "web")),
        f"Port {other_port.id}": await change(tenant, instance, **groups_of_port(other_port, "web")),
        f"Instance {foreign.id}": await change(tenant, foreign, name="web"),
    }

    for noun, answer in answers.items():
        assert (answer.status_code, answer.json()["message"]) == (404, f"{noun} could not be found")


@pytest.mark.parametrize("change", [add_groups, remove_groups])
async def test_one_unknown_group_among_others_changes_nothing(tenant: Tenant, change: Any) -> None:
    instance, first, second = await two_ports(tenant)
    await a_security_group(tenant, "web", second)

    assert (await change(tenant, instance, **groups_of_port(None, "web", "none"))).status_code == 404
    assert [await list_group_names(tenant, port) for port in (first, second)] == [[], ["web"]]


async def test_a_port_without_port_security_takes_no_group(tenant: Tenant) -> None:
    instance, first, second = await two_ports(tenant, port_security_enabled=False)
    await a_security_group(tenant, "web")

    one_port = await add_groups(tenant, instance, **groups_of_port(second, "web"))
    all_ports = await add_groups(tenant, instance, name="web")

    assert one_port.status_code == 409
    assert (
        one_port.json()["message"] == f"No security group can be added to port {second.id}: port security is disabled"
    )
    assert all_ports.status_code == 204
    assert [await list_group_names(tenant, port) for port in (first, second)] == [["web"], []]


async def test_an_ambiguous_group_name_is_a_conflict(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    for _ in range(2):
        await a_security_group(tenant, "web")

    answer = await add_groups(tenant, instance, name="web")

    assert answer.status_code == 409
    assert answer.json()["message"].startswith("There are 2 security groups named web")


@pytest.mark.parametrize("change", [add_groups, remove_groups])
async def test_a_locked_instance_keeps_its_groups(tenant: Tenant, change: Any) -> None:
    instance = await an_instance(tenant, task_id=UNKNOWN)
    (port,) = await list_ports(tenant, instance)
    await a_security_group(tenant, "web", port)

    assert (await change(tenant, instance, name="web")).status_code == 409
    assert await list_group_names(tenant, port) == ["web"]


async def test_a_locked_group_is_not_added(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await a_security_group(tenant, "web", task_id=UNKNOWN)

    assert (await add_groups(tenant, instance, name="web")).status_code == 409


async def test_bare_metal_takes_no_group(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)
    await a_security_group(tenant, "web")

    assert (await add_groups(tenant, server, name="web")).status_code == 400


async def test_concurrent_additions_all_succeed(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    names = [f"group-{number}" for number in range(12)]
    for name in names:
        await a_security_group(tenant, name)

    answers = await asyncio.gather(*(add_groups(tenant, instance, name=name) for name in names))

    assert {answer.status_code for answer in answers} == {204}
    assert await list_group_names(tenant, port) == sorted(names)
    assert (await reload_instance(tenant, instance)).revision == instance.revision + 12


@pytest.mark.parametrize(("change", "action_type"), [(add_groups, "attach"), (remove_groups, "detach")])
async def test_an_addition_and_a_removal_are_in_the_audit_log(tenant: Tenant, change: Any, action_type: str) -> None:
    instance = await an_instance(tenant)
    await a_security_group(tenant, "web")

    await change(tenant, instance, name="web")

    (entry,) = await list_user_actions(tenant)
    assert (entry.api_group, entry.action_type, entry.resources[0]["resource_id"]) == (
        "instance",
        action_type,
        instance.id,
    )
    assert entry.action_data == groups_of_port(None, "web")


async def test_a_read_only_role_cannot_change_groups(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    for verb in ("addsecuritygroup", "delsecuritygroup"):
        path = tenant.path("instances", instance.id, verb)
        assert (await tenant.clients[Role.USERS].post(path, json={"name": "web"})).status_code == 403


async def test_the_official_client_adds_and_removes_groups(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    await a_security_group(tenant, "web")

    await tenant.sdk.cloud.instances.assign_security_group(instance.id, name="web")
    assert await list_group_names(tenant, port) == ["web"]
    await tenant.sdk.cloud.instances.unassign_security_group(
        instance.id, ports_security_group_names=[{"port_id": port.id, "security_group_names": ["web"]}]
    )
    assert await list_group_names(tenant, port) == []
