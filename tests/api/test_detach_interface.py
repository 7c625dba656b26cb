"""Detach interfaces: which addresses are released, and which remain reserved."""

import pytest

from pileus.domain.faults import FaultKind
from pileus.domain.network.floating_ips import FloatingIP
from pileus.store.network import floating_ips
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
    a_ddos_profile,
    a_floating_ip,
    a_network,
    a_port,
    an_instance,
    inject_fault,
    list_addresses,
    list_group_names,
    list_ports,
    reload_instance,
)
from tests.networks import list_used_addresses
from tests.tenants import Tenant


async def find_floating_ip(tenant: Tenant, floating_ip: FloatingIP) -> FloatingIP:
    async with tenant.running.app_state.db.read() as tx:
        return await floating_ips.TABLE.find_one(tx, "id = :id", id=floating_ip.id) or floating_ip


async def test_a_detached_interface_releases_its_address(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    network, (subnet,) = await a_network(tenant)
    port = await a_port(tenant, subnet, instance)
    floating = await a_floating_ip(tenant, port)
    before = await count_driver_interfaces(tenant)

    (address,) = await list_addresses(tenant, port)
    task = await tenant.wait_until_finished(await detach(tenant, instance, port))

    unassigned = await find_floating_ip(tenant, floating)
    assert (task["task_type"], task["created_resources"]) == ("detach_vm_interface", None)
    assert task["data"] == {"instance_id": instance.id, "port_id": port.id, "ip_address": address}
    assert await find_port(tenant, port) is None
    assert await list_used_addresses(tenant, subnet.id) == set()
    assert (unassigned.port_id, unassigned.fixed_ip_address, unassigned.status, unassigned.task_id) == (
        None,
        None,
        "DOWN",
        None,
    )
    assert unassigned.floating_ip_address == floating.floating_ip_address
    assert await count_driver_interfaces(tenant) == before - 1
    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert (view["task_id"], network.name in view["addresses"]) == (None, False)


async def test_the_last_interface_can_be_detached_and_another_attached(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)

    await tenant.wait_until_finished(await detach(tenant, instance, port))
    assert await list_ports(tenant, instance) == []
    await tenant.wait_until_finished(await attach(tenant, instance))
    assert len(await list_ports(tenant, instance)) == 1


async def test_a_reserved_fixed_ip_remains_reserved(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    reserved = await a_port(tenant)
    (address,) = await list_addresses(tenant, reserved)
    profile = await a_ddos_profile(tenant, address)
    await tenant.wait_until_finished(await attach(tenant, instance, port_id=reserved.id))

    await tenant.wait_until_finished(await detach(tenant, instance, reserved))

    after = await find_port(tenant, reserved)
    assert after is not None
    assert (after.instance_id, after.task_id, after.reserved) == (None, None, True)
    assert await list_addresses(tenant, reserved) == [address]
    assert await list_group_names(tenant, reserved) == []
    assert await find_ddos_profile(tenant, address) == profile


async def test_the_ddos_profile_is_deleted_with_the_address(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await tenant.wait_until_finished(await attach(tenant, instance, ddos_profile=TEMPLATE))
    port = await get_newest_port(tenant, instance)
    (address,) = await list_addresses(tenant, port)

    await tenant.wait_until_finished(await detach(tenant, instance, port))

    assert await find_ddos_profile(tenant, address) is None


@pytest.mark.parametrize("step", ["detach the interface", "remove DDoS protection"])
async def test_a_failed_detachment_leaves_everything_attached(tenant: Tenant, step: str) -> None:
    instance = await an_instance(tenant)
    await tenant.wait_until_finished(await attach(tenant, instance, ddos_profile=TEMPLATE))
    port = await get_newest_port(tenant, instance)
    (address,) = await list_addresses(tenant, port)
    floating, profile = await a_floating_ip(tenant, port), await find_ddos_profile(tenant, address)
    await inject_fault(tenant, FaultKind.FAIL, "detach_vm_interface", step)
    before = await count_driver_interfaces(tenant)

    task = await tenant.wait_for_task((await detach(tenant, instance, port)).json()["tasks"][0])

    after, assigned, profile_after = (
        await find_port(tenant, port),
        await find_floating_ip(tenant, floating),
        await find_ddos_profile(tenant, address),
    )
    assert task["error"] == "Injected"
    assert after is not None
    assert profile_after is not None
    assert profile is not None
    assert (after.instance_id, after.task_id, await list_addresses(tenant, port)) == (instance.id, None, [address])
    assert (assigned.port_id, assigned.status, assigned.task_id) == (port.id, "ACTIVE", None)
    assert (profile_after.id, profile_after.status, profile_after.task_id) == (profile.id, "Active", None)
    assert (await reload_instance(tenant, instance)).task_id is None
    assert await count_driver_interfaces(tenant) == before


async def test_a_wrong_port_or_address_detaches_nothing(tenant: Tenant, stranger: Tenant) -> None:
    instance, other, theirs = await an_instance(tenant), await an_instance(tenant), await an_instance(stranger)
    (port,), (elsewhere,), (foreign,) = [await list_ports(owner, machine) for owner, machine in
                                         ((tenant, instance), (tenant, other), (stranger, theirs))]  # fmt: skip
    path = tenant.path("instances", instance.id, "detach_interface")

    for wrong in (elsewhere.id, foreign.id, UNKNOWN):
        answer = await tenant.api.post(path, json={"port_id": wrong, "ip_address": "10.0.0.1"})
        assert (answer.status_code, answer.json()["message"]) == (404, f"Port {wrong} could not be found")
    for address, complaint in (
        ("10.9.9.9", f"Port {port.id} has no address 10.9.9.9"),
        ("nowhere", "value is not a valid IPv4 or IPv6 address"),
    ):
        answer = await detach(tenant, instance, port, address)
        assert (answer.status_code, answer.json()["invalid_fields"]) == (400, {"ip_address": [complaint]})
    assert (await detach(tenant, theirs, foreign, "10.0.0.1")).status_code == 404


async def test_port_and_address_are_both_required(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    (address,) = await list_addresses(tenant, port)
    whole = {"port_id": port.id, "ip_address": address}

    for field in whole:
        rest = {name: value for name, value in whole.items() if name != field}
        answer = await tenant.api.post(tenant.path("instances", instance.id, "detach_interface"), json=rest)
        assert (answer.status_code, answer.json()["invalid_fields"]) == (400, {field: ["Field required"]})


async def test_a_locked_floating_ip_of_the_port_is_a_conflict(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    await a_floating_ip(tenant, port, task_id=UNKNOWN)
    instance = await reload_instance(tenant, instance)

    assert (await detach(tenant, instance, port)).status_code == 409
    assert await reload_instance(tenant, instance) == instance
