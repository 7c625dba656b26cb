"""Giving an instance one more interface: its port, addresses, groups and protection."""

import asyncio
from typing import Any

import pytest

from pileus.domain.account.access import Role
from pileus.domain.faults import FaultKind
from pileus.store.network import ddos_profiles
from tests.api.interfaces import TEMPLATE, UNKNOWN, attach, detach, in_use, interfaces, now_of_port, plugged, profile_at
from tests.builders import (
    BARE_METAL,
    a_network,
    a_port,
    a_security_group,
    actions_of,
    addresses_of,
    an_instance,
    disturb,
    groups_of,
    now_of,
    ports_of,
)
from tests.tenants import Tenant


@pytest.mark.parametrize("named", [True, False])
async def test_an_interface_in_a_subnet(tenant: Tenant, *, named: bool) -> None:
    instance = await an_instance(tenant)
    network, (first, second) = await a_network(tenant, "10.0.0.0/24", "10.0.1.0/24")
    before = interfaces(tenant)

    body = {"subnet_id": second.id, "interface_name": "inner", **({"type": "subnet"} if named else {})}
    task = await tenant.finished(await attach(tenant, instance, **body))

    port = await plugged(tenant, instance)
    (address,) = await addresses_of(tenant, port)
    assert (task["task_type"], task["created_resources"]) == ("attach_vm_interface", None)
    assert task["data"] == {"instance_id": instance.id, "port_id": port.id}
    assert (port.network_id, port.position, port.interface_name, port.task_id) == (network.id, 1, "inner", None)
    assert second.can_assign(address)
    assert not first.can_assign(address)
    assert interfaces(tenant) == before + 1
    shown = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert (shown["task_id"], shown["status"]) == (None, "ACTIVE")
    assert [entry["addr"] for entry in shown["addresses"]["inside"]] == [address]


@pytest.mark.parametrize("named", [True, False])
async def test_an_interface_in_the_subnet_with_most_room(tenant: Tenant, *, named: bool) -> None:
    instance = await an_instance(tenant)
    network, (_, wide) = await a_network(tenant, "10.0.0.0/29", "10.0.1.0/24")

    body = {"network_id": network.id, **({"type": "any_subnet"} if named else {})}
    await tenant.finished(await attach(tenant, instance, **body))

    (address,) = await addresses_of(tenant, await plugged(tenant, instance))
    assert wide.can_assign(address)


@pytest.mark.parametrize("body", [{}, {"type": "external"}, {"type": None, "ip_family": None}])
async def test_an_interface_with_a_public_address(tenant: Tenant, body: dict[str, Any]) -> None:
    instance = await an_instance(tenant)

    await tenant.finished(await attach(tenant, instance, **body))

    shown = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert len(shown["addresses"]["pub_net"]) == 2
    assert [each["external"] for each in shown["fixed_ip_assignments"]] == [True, True]


async def test_an_interface_with_two_families(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    await tenant.finished(await attach(tenant, instance, type="external", ip_family="dual"))

    addresses = await addresses_of(tenant, await plugged(tenant, instance))
    assert sorted(":" in address for address in addresses) == [False, True]


@pytest.mark.parametrize("named", [True, False])
async def test_an_interface_at_a_reserved_address(tenant: Tenant, *, named: bool) -> None:
    instance = await an_instance(tenant)
    reserved = await a_port(tenant)
    before = await addresses_of(tenant, reserved)

    body = {"port_id": reserved.id, **({"type": "reserved_fixed_ip"} if named else {})}
    task = await tenant.finished(await attach(tenant, instance, **body))

    port = await plugged(tenant, instance)
    assert (task["task_type"], task["created_resources"]) == ("attach_vm_to_reserved_fixed_ip", None)
    assert (port.id, port.reserved, port.instance_id, port.task_id) == (reserved.id, True, instance.id, None)
    assert await addresses_of(tenant, port) == before


async def test_the_groups_that_are_named_guard_it_else_the_default_one(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    group = await a_security_group(tenant, "web")

    await tenant.finished(await attach(tenant, instance, type="external", security_groups=[{"id": group.id}]))
    first = await plugged(tenant, instance)
    await tenant.finished(await attach(tenant, instance, type="external"))

    assert await groups_of(tenant, first) == ["web"]
    assert await groups_of(tenant, await plugged(tenant, instance)) == ["default"]


async def test_its_address_is_protected_at_once(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    await tenant.finished(await attach(tenant, instance, type="external", ddos_profile=TEMPLATE))

    (address,) = await addresses_of(tenant, await plugged(tenant, instance))
    profile = await profile_at(tenant, address)
    assert profile is not None
    assert (profile.template_id, profile.active, profile.status, profile.task_id) == (1, True, "Active", None)
    shown = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert shown["ddos_profile"]["id"] == profile.id
    assert {field["base_field"]: field["field_value"] for field in shown["ddos_profile"]["fields"]}[11] == [22]


@pytest.mark.parametrize("step", ["plug in", "protect"])
async def test_a_failure_leaves_neither_port_nor_address_nor_protection(tenant: Tenant, step: str) -> None:
    instance = await an_instance(tenant)
    (only,) = await ports_of(tenant, instance)
    await disturb(tenant, FaultKind.FAIL, "attach_vm_interface", step)
    before = interfaces(tenant)

    answer = await attach(tenant, instance, type="external", ddos_profile=TEMPLATE)
    task = await tenant.ended(answer.json()["tasks"][0])

    after = await now_of(tenant, instance)
    assert (task["state"], task["error"]) == ("ERROR", "Injected")
    assert await ports_of(tenant, instance) == [only]
    assert (after.task_id, after.status, interfaces(tenant)) == (None, "ACTIVE", before)
    async with tenant.running.cloud.db.read() as tx:
        assert await ddos_profiles.TABLE.find(tx, "client_id = :id", id=tenant.client_id) == []
        (count,) = await tx.one("SELECT count(*) FROM addresses WHERE port_id = :id", id=task["data"]["port_id"]) or ()
    assert count == 0


async def test_a_failure_leaves_a_reserved_address_to_itself(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    reserved = await a_port(tenant)
    before = await addresses_of(tenant, reserved)
    await disturb(tenant, FaultKind.FAIL, "attach_vm_to_reserved_fixed_ip")

    answer = await attach(tenant, instance, port_id=reserved.id)
    await tenant.ended(answer.json()["tasks"][0])

    after = await now_of_port(tenant, reserved)
    assert after is not None
    assert (after.instance_id, after.task_id, after.reserved) == (None, None, True)
    assert await addresses_of(tenant, reserved) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "subnet"}, "subnet_id"),
        ({"type": "any_subnet"}, "network_id"),
        ({"type": "reserved_fixed_ip"}, "port_id"),
        ({"type": "other"}, "body"),
        ({"type": "external", "ip_family": "ipv5"}, "ip_family"),
        ({"type": "external", "port_group": 4}, "port_group"),
        ({"type": "external", "interface_name": "n" * 38}, "interface_name"),
        ({"type": "external", "ddos_profile": {"profile_template": 99}}, "profile_template"),
        ({"type": "external", "ddos_profile": {"profile_template": 1, "fields": [{"base_field": 77}]}}, "fields"),
    ],
)
async def test_a_wrong_interface_is_told_where(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    instance = await an_instance(tenant)

    answer = await attach(tenant, instance, **body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])
    assert await now_of(tenant, instance) == instance


async def test_a_private_address_is_not_protected(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)

    answer = await attach(tenant, instance, subnet_id=subnet.id, ddos_profile=TEMPLATE)

    assert answer.json()["invalid_fields"] == {"ddos_profile": ["Only a public address can be protected"]}
    assert await in_use(tenant, subnet.id) == set()


async def test_what_is_another_tenants_is_not_found(tenant: Tenant, stranger: Tenant) -> None:
    instance, theirs = await an_instance(tenant), await an_instance(stranger)
    network, (subnet,) = await a_network(stranger)
    reserved, group = await a_port(stranger), await a_security_group(stranger)

    answers = {
        f"Network {network.id}": await attach(tenant, instance, network_id=network.id),
        f"Subnet {subnet.id}": await attach(tenant, instance, subnet_id=subnet.id),
        f"Port {reserved.id}": await attach(tenant, instance, port_id=reserved.id),
        f"Security group {group.id}": await attach(tenant, instance, security_groups=[{"id": group.id}]),
        f"Instance {theirs.id}": await attach(tenant, theirs),
    }

    for what, answer in answers.items():
        assert (answer.status_code, answer.json()["message"]) == (404, f"{what} could not be found")
    assert await now_of(tenant, instance) == instance


async def test_bare_metal_gets_no_public_interface_later(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)
    _, (subnet,) = await a_network(tenant)

    refused = await attach(tenant, server, type="external")
    await tenant.finished(await attach(tenant, server, subnet_id=subnet.id, port_group=2))

    assert (refused.status_code, list(refused.json()["invalid_fields"])) == (400, ["type"])
    assert (await plugged(tenant, server)).port_group == 2


@pytest.mark.parametrize("facts", [{"status": "ERROR"}, {"status": "BUILD"}, {"task_id": UNKNOWN}])
async def test_nothing_is_plugged_or_unplugged_now(tenant: Tenant, facts: dict[str, Any]) -> None:
    instance = await an_instance(tenant, **facts)
    (port,) = await ports_of(tenant, instance)

    assert (await attach(tenant, instance)).status_code == 409
    assert (await detach(tenant, instance, port)).status_code == 409
    assert await now_of(tenant, instance) == instance


async def test_a_reserved_address_that_is_in_use_is_a_conflict(tenant: Tenant) -> None:
    instance, other = await an_instance(tenant), await an_instance(tenant)
    reserved = await a_port(tenant)
    await tenant.finished(await attach(tenant, other, port_id=reserved.id))

    assert (await attach(tenant, instance, port_id=reserved.id)).status_code == 409


async def test_many_who_are_plugged_in_at_once_get_different_addresses(tenant: Tenant) -> None:
    servers = [await an_instance(tenant) for _ in range(8)]
    _, (subnet,) = await a_network(tenant)

    answers = await asyncio.gather(*(attach(tenant, server, subnet_id=subnet.id) for server in servers))
    for answer in answers:
        await tenant.finished(answer)

    assert len(await in_use(tenant, subnet.id)) == 8


async def test_both_are_in_the_audit_log_with_their_tasks(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    attached = await tenant.finished(await attach(tenant, instance, type="external"))
    port = await plugged(tenant, instance)
    detached = await tenant.finished(await detach(tenant, instance, port))

    lines = await actions_of(tenant)
    assert [(line.api_group, line.action_type, line.task_id) for line in lines] == [
        ("instance", "attach", attached["id"]),
        ("instance", "detach", detached["id"]),
    ]


async def test_who_may_only_look_may_not_plug(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    for verb in ("attach_interface", "detach_interface"):
        path = tenant.path("instances", instance.id, verb)
        assert (await tenant.clients[Role.USERS].post(path, json={"type": "external"})).status_code == 403


async def test_the_official_client_attaches_and_detaches(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    network, _ = await a_network(tenant)
    api = tenant.sdk.cloud.instances.interfaces

    attaching = await api.attach(instance.id, network_id=network.id, type="any_subnet", interface_name="inner")
    await tenant.ended(attaching.tasks[0])
    port = await plugged(tenant, instance)
    (address,) = await addresses_of(tenant, port)
    detaching = await api.detach(instance.id, ip_address=address, port_id=port.id)
    await tenant.ended(detaching.tasks[0])

    assert port.interface_name == "inner"
    assert len(await ports_of(tenant, instance)) == 1
