"""Attach interfaces: ports, addresses, security groups and DDoS profiles."""

import asyncio
from typing import Any

import pytest

from pileus.domain.account.access import Role
from pileus.domain.faults import FaultKind
from pileus.store.network import ddos_profiles
from tests.api.interfaces import (
    TEMPLATE,
    UNKNOWN,
    attach,
    count_driver_interfaces,
    detach,
    find_ddos_profile,
    find_port,
    get_newest_port,
)
from tests.builders import (
    BARE_METAL,
    a_floating_ip,
    a_network,
    a_port,
    a_security_group,
    an_instance,
    driver_of,
    inject_fault,
    list_addresses,
    list_group_names,
    list_ports,
    list_user_actions,
    reload_instance,
)
from tests.errors import list_error_paths
from tests.networks import list_used_addresses
from tests.tenants import Tenant


@pytest.mark.parametrize("named", [True, False])
async def test_an_interface_in_a_subnet(tenant: Tenant, *, named: bool) -> None:
    instance = await an_instance(tenant)
    network, (first, second) = await a_network(tenant, "10.0.0.0/24", "10.0.1.0/24")
    before = await count_driver_interfaces(tenant)

    body = {"subnet_id": second.id, "interface_name": "inner", **({"type": "subnet"} if named else {})}
    task = await tenant.wait_until_finished(await attach(tenant, instance, **body))

    port = await get_newest_port(tenant, instance)
    (address,) = await list_addresses(tenant, port)
    assert (task["task_type"], task["created_resources"]) == ("attach_vm_interface", None)
    assert task["data"] == {"instance_id": instance.id, "port_id": port.id}
    assert (port.network_id, port.position, port.interface_name, port.task_id) == (network.id, 1, "inner", None)
    assert second.can_assign_address(address)
    assert not first.can_assign_address(address)
    assert await count_driver_interfaces(tenant) == before + 1
    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert (view["task_id"], view["status"]) == (None, "ACTIVE")
    assert [entry["addr"] for entry in view["addresses"]["inside"]] == [address]


@pytest.mark.parametrize("named", [True, False])
async def test_any_subnet_uses_the_subnet_with_the_most_free_addresses(tenant: Tenant, *, named: bool) -> None:
    instance = await an_instance(tenant)
    network, (_, wide) = await a_network(tenant, "10.0.0.0/29", "10.0.1.0/24")

    body = {"network_id": network.id, **({"type": "any_subnet"} if named else {})}
    await tenant.wait_until_finished(await attach(tenant, instance, **body))

    (address,) = await list_addresses(tenant, await get_newest_port(tenant, instance))
    assert wide.can_assign_address(address)


@pytest.mark.parametrize("body", [{}, {"type": "external"}, {"type": None, "ip_family": None}])
async def test_an_interface_with_a_public_address(tenant: Tenant, body: dict[str, Any]) -> None:
    instance = await an_instance(tenant)

    await tenant.wait_until_finished(await attach(tenant, instance, **body))

    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert len(view["addresses"]["pub_net"]) == 2
    assert [assignment["external"] for assignment in view["fixed_ip_assignments"]] == [True, True]


async def test_an_interface_with_two_families(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    await tenant.wait_until_finished(await attach(tenant, instance, type="external", ip_family="dual"))

    addresses = await list_addresses(tenant, await get_newest_port(tenant, instance))
    assert sorted(":" in address for address in addresses) == [False, True]


@pytest.mark.parametrize("named", [True, False])
async def test_an_interface_at_a_reserved_address(tenant: Tenant, *, named: bool) -> None:
    instance = await an_instance(tenant)
    reserved = await a_port(tenant)
    before = await list_addresses(tenant, reserved)

    body = {"port_id": reserved.id, **({"type": "reserved_fixed_ip"} if named else {})}
    task = await tenant.wait_until_finished(await attach(tenant, instance, **body))

    port = await get_newest_port(tenant, instance)
    assert (task["task_type"], task["created_resources"]) == ("attach_vm_to_reserved_fixed_ip", None)
    assert (port.id, port.reserved, port.instance_id, port.task_id) == (reserved.id, True, instance.id, None)
    assert await list_addresses(tenant, port) == before


async def test_a_port_gets_the_requested_groups_or_the_default_group(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    group = await a_security_group(tenant, "web")

    await tenant.wait_until_finished(
        await attach(tenant, instance, type="external", security_groups=[{"id": group.id}])
    )
    first = await get_newest_port(tenant, instance)
    await tenant.wait_until_finished(await attach(tenant, instance, type="external"))

    assert await list_group_names(tenant, first) == ["web"]
    assert await list_group_names(tenant, await get_newest_port(tenant, instance)) == ["default"]


async def test_a_security_group_that_is_named_twice_is_refused(tenant: Tenant) -> None:
    instance, group = await an_instance(tenant), await a_security_group(tenant)

    answer = await attach(tenant, instance, type="external", security_groups=[{"id": group.id}, {"id": group.id}])

    assert (answer.status_code, answer.json()["exception_class"]) == (400, "ValidationError")
    assert answer.json()["message"] == f"Duplicate items in the list: '{group.id}'"
    assert len(await list_ports(tenant, instance)) == 1


async def test_a_public_address_gets_a_ddos_profile(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    await tenant.wait_until_finished(await attach(tenant, instance, type="external", ddos_profile=TEMPLATE))

    (address,) = await list_addresses(tenant, await get_newest_port(tenant, instance))
    profile = await find_ddos_profile(tenant, address)
    assert profile is not None
    assert (profile.template_id, profile.active, profile.status, profile.task_id) == (1, True, "Active", None)
    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert view["ddos_profile"]["id"] == profile.id
    assert {field["base_field"]: field["field_value"] for field in view["ddos_profile"]["fields"]}[11] == [22]


@pytest.mark.parametrize("step", ["attach the interface", "apply DDoS protection"])
async def test_a_failed_attachment_leaves_no_port_address_or_profile(tenant: Tenant, step: str) -> None:
    instance = await an_instance(tenant)
    (only,) = await list_ports(tenant, instance)
    await inject_fault(tenant, FaultKind.FAIL, "attach_vm_interface", step)
    before = await count_driver_interfaces(tenant)

    answer = await attach(tenant, instance, type="external", ddos_profile=TEMPLATE)
    task = await tenant.wait_for_task(answer.json()["tasks"][0])

    after = await reload_instance(tenant, instance)
    assert (task["state"], task["error"]) == ("ERROR", "Injected")
    assert await list_ports(tenant, instance) == [only]
    assert (after.task_id, after.status, await count_driver_interfaces(tenant)) == (None, "ACTIVE", before)
    async with tenant.running.app_state.db.read() as tx:
        assert await ddos_profiles.TABLE.find(tx, "client_id = :id", id=tenant.client_id) == []
        (count,) = await tx.one("SELECT count(*) FROM addresses WHERE port_id = :id", id=task["data"]["port_id"]) or ()
    assert count == 0


async def test_a_failed_attachment_keeps_the_reserved_fixed_ip_and_its_floating_ip(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    reserved = await a_port(tenant, subnet)
    floating_ip = await a_floating_ip(tenant, reserved)
    before = await list_addresses(tenant, reserved)
    await inject_fault(tenant, FaultKind.FAIL, "attach_vm_to_reserved_fixed_ip")

    answer = await attach(tenant, instance, port_id=reserved.id)
    await tenant.wait_for_task(answer.json()["tasks"][0])

    after = await find_port(tenant, reserved)
    assert after is not None
    assert (after.instance_id, after.task_id, after.reserved) == (None, None, True)
    assert await list_addresses(tenant, reserved) == before
    view = (await tenant.api.get(tenant.path("floatingips", floating_ip.id))).json()
    assert (view["port_id"], view["status"]) == (reserved.id, "ACTIVE")
    assert await driver_of(tenant.running).find_floating_ip(floating_ip.id) is not None


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
        ({"type": "external", "ddos_profile": {"profile_template": 99}}, "ddos_profile.profile_template"),
        (
            {"type": "external", "ddos_profile": {"profile_template": 1, "fields": [{"base_field": 77}]}},
            "ddos_profile.fields",
        ),
    ],
)
async def test_an_invalid_interface_is_refused_with_its_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    instance = await an_instance(tenant)

    answer = await attach(tenant, instance, **body)

    assert (answer.status_code, list_error_paths(answer.json()["invalid_fields"])) == (400, [field])
    assert await reload_instance(tenant, instance) == instance


async def test_a_private_address_is_not_protected(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)

    answer = await attach(tenant, instance, subnet_id=subnet.id, ddos_profile=TEMPLATE)

    assert answer.json()["invalid_fields"] == {"ddos_profile": ["Only a public address can be protected"]}
    assert await list_used_addresses(tenant, subnet.id) == set()


async def test_resources_of_other_tenants_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
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

    for missing, answer in answers.items():
        assert (answer.status_code, answer.json()["message"]) == (404, f"{missing} could not be found")
    assert await reload_instance(tenant, instance) == instance


async def test_a_public_interface_cannot_be_attached_to_bare_metal(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)
    _, (subnet,) = await a_network(tenant)

    refused = await attach(tenant, server, type="external")
    await tenant.wait_until_finished(await attach(tenant, server, subnet_id=subnet.id, port_group=2))

    assert (refused.status_code, list(refused.json()["invalid_fields"])) == (400, ["type"])
    assert (await get_newest_port(tenant, server)).port_group == 2


@pytest.mark.parametrize("facts", [{"status": "ERROR"}, {"status": "BUILD"}, {"task_id": UNKNOWN}])
async def test_interfaces_cannot_change_in_this_state(tenant: Tenant, facts: dict[str, Any]) -> None:
    instance = await an_instance(tenant, **facts)
    (port,) = await list_ports(tenant, instance)

    assert (await attach(tenant, instance)).status_code == 409
    assert (await detach(tenant, instance, port)).status_code == 409
    assert await reload_instance(tenant, instance) == instance


async def test_a_reserved_fixed_ip_in_use_is_a_conflict(tenant: Tenant) -> None:
    instance, other = await an_instance(tenant), await an_instance(tenant)
    reserved = await a_port(tenant)
    await tenant.wait_until_finished(await attach(tenant, other, port_id=reserved.id))

    assert (await attach(tenant, instance, port_id=reserved.id)).status_code == 409


async def test_concurrent_attachments_get_different_addresses(tenant: Tenant) -> None:
    servers = [await an_instance(tenant) for _ in range(8)]
    _, (subnet,) = await a_network(tenant)

    answers = await asyncio.gather(*(attach(tenant, server, subnet_id=subnet.id) for server in servers))
    for answer in answers:
        await tenant.wait_until_finished(answer)

    assert len(await list_used_addresses(tenant, subnet.id)) == 8


async def test_attach_and_detach_are_in_the_audit_log_with_their_tasks(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    attached = await tenant.wait_until_finished(await attach(tenant, instance, type="external"))
    port = await get_newest_port(tenant, instance)
    detached = await tenant.wait_until_finished(await detach(tenant, instance, port))

    entries = await list_user_actions(tenant)
    assert [(entry.api_group, entry.action_type, entry.task_id) for entry in entries] == [
        ("instance", "attach", attached["id"]),
        ("instance", "detach", detached["id"]),
    ]


async def test_read_only_callers_cannot_attach_or_detach(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    for verb in ("attach_interface", "detach_interface"):
        path = tenant.path("instances", instance.id, verb)
        assert (await tenant.clients[Role.USERS].post(path, json={"type": "external"})).status_code == 403


async def test_the_official_client_attaches_and_detaches(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    network, _ = await a_network(tenant)
    api = tenant.sdk.cloud.instances.interfaces

    attaching = await api.attach(instance.id, network_id=network.id, type="any_subnet", interface_name="inner")
    await tenant.wait_for_task(attaching.tasks[0])
    port = await get_newest_port(tenant, instance)
    (address,) = await list_addresses(tenant, port)
    detaching = await api.detach(instance.id, ip_address=address, port_id=port.id)
    await tenant.wait_for_task(detaching.tasks[0])

    assert port.interface_name == "inner"
    assert len(await list_ports(tenant, instance)) == 1
