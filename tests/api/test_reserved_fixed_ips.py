"""Reserved fixed IPs and virtual IPs: reserve, share, convert and release them."""

import asyncio
from typing import Any

import pytest

from pileus.domain.faults import FaultKind
from pileus.domain.network.ports import Port
from pileus.store import faults
from tests.builders import (
    a_floating_ip,
    a_network,
    a_port,
    an_instance,
    driver_of,
    inject_fault,
    list_addresses,
    list_user_actions,
    reload_instance,
)
from tests.networks import get_view
from tests.storage import set_quotas
from tests.tenants import REGION, Tenant

ALL = "reserved_fixed_ips"


async def reserve(tenant: Tenant, **body: Any) -> dict[str, Any]:
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path(ALL), json=body))
    return await get_view(tenant, ALL, task["created_resources"]["ports"][0])


async def list_connected_ports(tenant: Tenant, port_id: str) -> list[str]:
    answer = (await tenant.api.get(tenant.path(ALL, port_id, "connected_devices"))).json()
    return [view["port_id"] for view in answer["results"]]


async def several_ports(tenant: Tenant, subnet: Any, number: int) -> list[Port]:
    return [await a_port(tenant, subnet, await an_instance(tenant)) for _ in range(number)]


async def test_an_address_of_each_type_is_reserved(tenant: Tenant) -> None:
    network, (subnet, six) = await a_network(tenant, "10.0.0.0/24", "fd00:1::/64")

    # First, because the others take any free address.
    named = await reserve(tenant, type="ip_address", network_id=network.id, ip_address="10.0.0.77")
    public = await reserve(tenant, type="external")
    inner = await reserve(tenant, type="subnet", subnet_id=subnet.id)
    both = await reserve(tenant, type="any_subnet", network_id=network.id, ip_family="dual", is_vip=True)

    assert (public["is_external"], public["is_vip"], public["status"]) == (True, False, "DOWN")
    assert public["name"] == f"reserved_fixed_ip_{public['fixed_ip_address']}"
    assert public["reservation"] == {"status": "available", "resource_id": None, "resource_type": None}
    assert (inner["subnet_id"], inner["network"]["id"], inner["is_external"]) == (subnet.id, network.id, False)
    assert (both["subnet_id"], both["subnet_v6_id"], both["is_vip"]) == (subnet.id, six.id, True)
    assert both["fixed_ipv6_address"].startswith("fd00:1::")
    assert (named["fixed_ip_address"], named["task_id"]) == ("10.0.0.77", None)


async def test_invalid_reservations_are_refused(tenant: Tenant, stranger: Tenant) -> None:
    network, _ = await a_network(tenant)
    theirs, (subnet,) = await a_network(stranger)
    await reserve(tenant, type="ip_address", network_id=network.id, ip_address="10.0.0.77")

    for body, status in (
        ({"type": "ip_address", "network_id": network.id, "ip_address": "10.0.0.77"}, 409),
        ({"type": "ip_address", "network_id": network.id, "ip_address": "10.1.0.77"}, 400),
        ({"type": "ip_address", "network_id": network.id, "ip_address": "ten"}, 400),
        ({"type": "subnet", "subnet_id": subnet.id}, 404),
        ({"type": "any_subnet", "network_id": theirs.id}, 404),
        ({"type": "any_subnet", "network_id": network.id, "ip_family": "ipv6"}, 400),
        ({"type": "sea"}, 400),
        ({}, 400),
    ):
        answer = await tenant.api.post(tenant.path(ALL), json=body)
        assert answer.status_code == status, answer.text


async def test_one_of_many_concurrent_reservations_of_an_address_succeeds(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    body = {"type": "ip_address", "network_id": network.id, "ip_address": "10.0.0.9"}

    answers = await asyncio.gather(*(tenant.api.post(tenant.path(ALL), json=body) for _ in range(6)))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5


async def test_the_quota_of_public_addresses_is_enforced(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, external_ip_count=1)

    answers = await asyncio.gather(*(tenant.api.post(tenant.path(ALL), json={"type": "external"}) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]


async def test_the_reserved_address_of_a_deleted_instance_remains_reserved(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    (port,) = await several_ports(tenant, subnet, 1)
    before = await list_addresses(tenant, port)

    view = await reserve(tenant, type="port", port_id=port.id)
    again = await tenant.api.post(tenant.path(ALL), json={"type": "port", "port_id": port.id})
    refused = await tenant.api.delete(tenant.path(ALL, port.id))
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("instances", port.instance_id or "")))

    use = {"resource_id": port.instance_id, "resource_type": "instance"}
    assert (view["reservation"], view["attachments"]) == ({"status": "attached", **use}, [use])
    assert (again.status_code, refused.status_code) == (400, 409)
    after = await get_view(tenant, ALL, port.id)
    assert ([after["fixed_ip_address"]], after["reservation"]["status"]) == (before, "available")


async def test_lists_are_filtered_and_sorted_by_address(tenant: Tenant, stranger: Tenant) -> None:
    network, _ = await a_network(tenant)
    for last in (9, 10, 77):
        await reserve(tenant, type="ip_address", network_id=network.id, ip_address=f"10.0.0.{last}", is_vip=last == 77)
    public = (await reserve(tenant, type="external"))["fixed_ip_address"]
    await reserve(stranger, type="external")

    async def list_addresses_by(**query: Any) -> list[str]:
        answer = (await tenant.api.get(tenant.path(ALL), params=query)).json()
        return [view["fixed_ip_address"] for view in answer["results"]]

    assert await list_addresses_by(internal_only=True) == ["10.0.0.9", "10.0.0.10", "10.0.0.77"]
    assert await list_addresses_by(internal_only=True, order_by="fixed_ip_address.desc", limit=1, offset=1) == [
        "10.0.0.10"
    ]
    assert (await list_addresses_by(external_only=True), await list_addresses_by(vip_only=True)) == (
        [public],
        ["10.0.0.77"],
    )
    assert await list_addresses_by(ip_address="0.0.1") == ["10.0.0.10"]
    assert len(await list_addresses_by(available_only=True, order_by="name.asc")) == 4
    assert await list_addresses_by(device_id="nobody") == []
    assert (await tenant.api.get(tenant.path(ALL), params={"order_by": "size.asc"})).status_code == 400


async def test_several_instances_share_a_virtual_ip(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    first, second, third = await several_ports(tenant, subnet, 3)
    vip = await reserve(tenant, type="any_subnet", network_id=network.id, is_vip=True)
    path = tenant.path(ALL, vip["port_id"])

    free = (await tenant.api.get(f"{path}/available_devices")).json()
    put = await tenant.api.put(f"{path}/connected_devices", json={"port_ids": [first.id, second.id]})
    await tenant.api.patch(f"{path}/connected_devices", json={"port_ids": [third.id]})

    assert {view["port_id"] for view in free["results"]} == {first.id, second.id, third.id}
    assert {device["instance_id"] for device in put.json()["results"]} == {first.instance_id, second.instance_id}
    assert set(await list_connected_ports(tenant, vip["port_id"])) == {first.id, second.id, third.id}
    attachments = (await get_view(tenant, ALL, vip["port_id"]))["attachments"]
    assert {attachment["resource_id"] for attachment in attachments} == {
        first.instance_id, second.instance_id, third.instance_id
    }  # fmt: skip
    nic = await driver_of(tenant.running).find_nic(first.id)
    assert nic is not None
    assert [pair.ip_address for pair in nic.pairs] == [vip["fixed_ip_address"]]

    await tenant.api.put(f"{path}/connected_devices", json={"port_ids": [second.id]})
    assert await list_connected_ports(tenant, vip["port_id"]) == [second.id]
    assert (await tenant.api.patch(path, json={"is_vip": False})).status_code == 409
    assert (await tenant.api.delete(path)).status_code == 400
    await tenant.api.put(f"{path}/connected_devices", json={"port_ids": []})
    assert (await tenant.api.patch(path, json={"is_vip": False})).json()["is_vip"] is False
    await tenant.wait_until_finished(await tenant.api.delete(path))
    assert (await tenant.api.get(path)).status_code == 404


async def test_several_ports_of_one_instance_share_a_virtual_ip(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    instance = await an_instance(tenant)
    port_ids = {(await a_port(tenant, subnet, instance)).id for _ in range(2)}
    vip = await reserve(tenant, type="any_subnet", network_id=network.id, is_vip=True)
    path = f"{tenant.path(ALL, vip['port_id'])}/connected_devices"
    audit_count = len(await list_user_actions(tenant))

    connected = await tenant.api.put(path, json={"port_ids": sorted(port_ids)})
    nics = [await driver_of(tenant.running).find_nic(port_id) for port_id in port_ids]
    entries = (await list_user_actions(tenant))[audit_count:]
    await inject_fault(tenant, FaultKind.FAIL, "update_port_allowed_address_pairs")
    await tenant.api.put(path, json={"port_ids": []})
    kept = await list_connected_ports(tenant, vip["port_id"])
    await tenant.running.app_state.db.write(faults.remove_all)
    emptied = await tenant.api.put(path, json={"port_ids": []})

    assert (connected.status_code, {view["port_id"] for view in connected.json()["results"]}) == (200, port_ids)
    assert [[pair.ip_address for pair in nic.pairs] for nic in nics if nic] == [[vip["fixed_ip_address"]]] * 2
    assert sorted(entry.api_group for entry in entries) == ["port", "port", "vip_ip_addresses"]
    assert set(kept) == port_ids
    assert (emptied.status_code, emptied.json()["results"]) == (200, [])
    assert [nic and nic.pairs for nic in [await driver_of(tenant.running).find_nic(id_) for id_ in port_ids]] == [
        [],
        [],
    ]
    assert (await reload_instance(tenant, instance)).task_id is None


async def test_a_reserved_address_becomes_virtual_and_back_on_the_same_port(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    reserved = await reserve(tenant, type="any_subnet", network_id=network.id)
    path = tenant.path(ALL, reserved["port_id"])

    virtual = await tenant.api.patch(path, json={"is_vip": True})
    plain = await tenant.api.patch(path, json={"is_vip": False})

    assert reserved.keys().isdisjoint({"id", "type"})
    assert (reserved["network_id"], reserved["subnet_id"]) == (network.id, subnet.id)
    assert [(answer.status_code, answer.json()["is_vip"]) for answer in (virtual, plain)] == [(200, True), (200, False)]
    for view in (virtual.json(), plain.json()):
        assert [view[name] for name in ("port_id", "fixed_ip_address")] == [
            reserved[name] for name in ("port_id", "fixed_ip_address")
        ]


async def test_only_instance_ports_in_its_network_can_be_connected(tenant: Tenant, stranger: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    plain = await reserve(tenant, type="subnet", subnet_id=subnet.id)
    vip = await reserve(tenant, type="any_subnet", network_id=network.id, is_vip=True)
    elsewhere = await a_port(tenant, None, await an_instance(tenant))
    theirs = await a_port(stranger, None, await an_instance(stranger))
    (mine,) = await several_ports(tenant, subnet, 1)

    async def connect(port_id: str, device: str) -> int:
        path = tenant.path(ALL, port_id, "connected_devices")
        return (await tenant.api.patch(path, json={"port_ids": [device]})).status_code

    assert await connect(vip["port_id"], elsewhere.id) == 400
    assert await connect(vip["port_id"], theirs.id) == 404
    assert await connect(plain["port_id"], mine.id) == 400


async def test_a_public_address_is_converted_and_back(tenant: Tenant) -> None:
    floating_ip = await a_floating_ip(tenant)
    body = {"target_type": "reserved_fixed_ip"}

    task = await tenant.wait_until_finished(
        await tenant.api.post(tenant.path("floatingips", floating_ip.id, "convert"), json=body)
    )
    (port_id,) = task["created_resources"]["ports"]
    view = await get_view(tenant, ALL, port_id)
    back = await tenant.wait_until_finished(
        await tenant.api.post(tenant.path(ALL, port_id, "convert"), json={"target_type": "floating_ip"})
    )

    assert (view["fixed_ip_address"], view["is_external"]) == (floating_ip.floating_ip_address, True)
    (new_id,) = back["created_resources"]["floatingips"]
    view = (await tenant.api.get(tenant.path("floatingips", new_id))).json()
    assert (view["floating_ip_address"], view["status"]) == (floating_ip.floating_ip_address, "DOWN")
    assert (await tenant.api.get(tenant.path(ALL, port_id))).status_code == 404
    _, (subnet,) = await a_network(tenant)
    inner = await reserve(tenant, type="subnet", subnet_id=subnet.id)
    refused = await tenant.api.post(tenant.path(ALL, inner["port_id"], "convert"), json={"target_type": "floating_ip"})
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("noun", "other", "quota"),
    [
        ("floatingips", "reserved_fixed_ips", "external_ip_count"),
        ("reserved_fixed_ips", "floatingips", "floating_count"),
    ],
)
async def test_running_conversions_count_against_the_quota(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, noun: str, other: str, quota: str
) -> None:
    ids = [(await (a_floating_ip if noun == "floatingips" else a_port)(tenant)).id for _ in range(4)]
    set_quotas(tenant, monkeypatch, **{quota: 1})
    body = {"target_type": "reserved_fixed_ip" if noun == "floatingips" else "floating_ip"}

    answers = await asyncio.gather(
        *(tenant.api.post(tenant.path(noun, resource_id, "convert"), json=body) for resource_id in ids)
    )
    for answer in answers:
        for task_id in answer.json().get("tasks", []):
            await tenant.wait_for_task(task_id)

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert (await tenant.api.get(tenant.path(other))).json()["count"] == 1


async def test_private_addresses_are_free_of_charge(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    path = f"/cloud/v1/pricing/{tenant.place_path}/{ALL}"

    public = (await tenant.api.post(path, json={"type": "external"})).json()
    inner = (await tenant.api.post(path, json={"type": "any_subnet", "network_id": network.id})).json()

    assert public["price_per_hour"] > 0 == inner["price_per_hour"]


async def test_the_official_sdk_manages_reserved_fixed_ips(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    (port,) = await several_ports(tenant, subnet, 1)
    reserved_ips = tenant.sdk.cloud.reserved_fixed_ips
    where: Any = {"project_id": tenant.project_id, "region_id": REGION}

    created = await reserved_ips.create_and_poll(
        type="subnet", subnet_id=subnet.id, is_vip=True, polling_interval_seconds=0, **where
    )
    candidates = await reserved_ips.vip.candidate_ports.list(port_id=created.port_id, **where)
    shared = await reserved_ips.vip.connected_ports.add(port_id=created.port_id, port_ids=[port.id], **where)
    disconnected = await reserved_ips.vip.connected_ports.replace(port_id=created.port_id, port_ids=[], **where)
    plain = await reserved_ips.vip.toggle(port_id=created.port_id, is_vip=False, **where)

    assert [device.port_id for device in candidates.results] == [port.id]
    assert ([device.port_id for device in shared.results], disconnected.count, plain.is_vip) == ([port.id], 0, False)
    assert [reserved.port_id async for reserved in reserved_ips.list(**where)] == [created.port_id]
