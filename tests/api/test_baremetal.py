"""Bare metal servers: instances with flavors, lists and actions of their own."""

from base64 import b64encode, encodebytes
from typing import Any

import pytest
from gcore import NotFoundError

from pileus.domain.faults import FaultKind
from pileus.store.compute.instances import TABLE, find
from tests.builders import (
    BARE_METAL,
    a_floating_ip,
    a_network,
    a_port,
    an_image,
    an_instance,
    driver_of,
    inject_fault,
    list_ports,
    list_user_actions,
)
from tests.orders import METAL
from tests.storage import set_quotas
from tests.tenants import REGION, Tenant

DEBIAN = "bm1-infrastructure-small"
POLL: dict[str, Any] = {"polling_interval_seconds": 1}
ORDER: dict[str, Any] = {
    "name": "metal", "flavor": BARE_METAL, "image_id": METAL, "interfaces": [{"type": "external"}], "tags": {"a": "b"},
}  # fmt: skip


async def list_names(tenant: Tenant, **parameters: Any) -> list[str]:
    """Return the names of the listed servers."""
    answer = (await tenant.api.get(tenant.path("bminstances"), params=parameters)).json()
    assert answer["count"] == len(answer["results"])
    return sorted(server["name"] for server in answer["results"])


def tags_of(server: Any) -> dict[str, str]:
    """Return a server's tags by key."""
    return {tag["key"]: tag["value"] for tag in server["tags"]}


async def test_the_official_client_creates_changes_and_deletes_a_server(tenant: Tenant) -> None:
    client = tenant.sdk.cloud.baremetal.servers
    image = await an_image(tenant, is_baremetal=True, os_version="24.04")

    server = await client.create_and_poll(
        flavor=BARE_METAL, interfaces=[{"type": "external"}], image_id=METAL, name="metal", tags={"a": "b"}, **POLL
    )
    updated = await client.update(server.id, name="renamed", tags={"a": None, "c": "d"})
    rebuilt = await client.rebuild_and_poll(server.id, image_id=image.id, user_data="aGVsbG8=", **POLL)
    (listed_server,) = (await client.list(uuid=server.id)).results
    stopped = await client.action(server.id, action="stop")
    assert (await tenant.wait_for_task(stopped.tasks[0]))["task_type"] == "stop_bm"
    gone = await client.delete(server.id)
    assert (await tenant.wait_for_task(gone.tasks[0]))["task_type"] == "delete_bm"

    assert (server.status, server.flavor.resource_class, server.name) == ("ACTIVE", BARE_METAL, "metal")
    assert (updated.name, [tag.key for tag in updated.tags if not tag.read_only]) == ("renamed", ["c"])
    assert (rebuilt.status, listed_server.id, listed_server.addresses) == ("ACTIVE", server.id, server.addresses)
    read_only = {tag.key: tag.value for tag in rebuilt.tags if tag.read_only}
    assert (read_only["image_id"], read_only["os_version"]) == (image.id, "24.04")
    with pytest.raises(NotFoundError):
        await client.get(server.id)


async def test_a_server_has_its_image_and_no_security_group(tenant: Tenant) -> None:
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("bminstances"), json=ORDER))
    (server_id,) = task["created_resources"]["instances"]

    machine = await driver_of(tenant.running).get_machine(server_id)
    instance = (await tenant.api.get(tenant.path("instances", server_id))).json()

    assert (machine.image_id, machine.disks) == (METAL, [])
    assert (instance["security_groups"], instance["volumes"]) == ([], [])
    assert [nic.secured for nic in machine.nics] == [False]


async def test_a_server_has_all_fields(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL, name="metal", created_at=1_700_000_000_000_000)

    view = (await tenant.api.get(tenant.path("bminstances", server.id))).json()

    (network,) = view.pop("addresses")
    (assignment,) = view.pop("fixed_ip_assignments")
    assert (network, assignment["external"]) == ("pub_net", True)
    assert view.pop("flavor")["hardware_description"]["cpu"] == "1 x Intel Xeon E-2388G"
    tags = view.pop("tags")
    assert [tag["key"] for tag in tags] == ["os_distro", "os_type", "os_version"]
    assert (view.pop("metadata"), view.pop("metadata_detailed")) == ({tag["key"]: tag["value"] for tag in tags}, tags)
    assert view == {
        **dict.fromkeys(("id", "instance_id"), server.id),
        **dict.fromkeys(("name", "instance_name"), "metal"),
        "status": "ACTIVE",
        "vm_state": "active",
        **dict.fromkeys(("created_at", "instance_created"), "2023-11-14T22:13:20Z"),
        "volumes": [],
        "security_groups": [],
        "project_id": tenant.project_id,
        "region": "Local",
        "region_id": REGION,
        "blackhole_ports": [],
        **dict.fromkeys(("task_state", "ssh_key_name", "keypair_name", "ddos_profile", "instance_isolation")),
        **dict.fromkeys(("instance_description", "task_id", "creator_task_id")),
    }


async def test_legacy_fields_of_servers_are_those_of_instances(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL, name="metal")

    (view,) = (await tenant.api.get(tenant.path("bminstances"), params={"uuid": server.id})).json()["results"]

    assert (view["instance_id"], view["instance_name"], view["volumes"]) == (server.id, "metal", [])
    assert view["metadata"]["os_distro"] == "ubuntu"


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({}, ["first", "second"]),
        ({"name": "FIR"}, ["first"]),
        ({"status": "SHUTOFF"}, ["second"]),
        ({"flavor_id": DEBIAN}, ["second"]),
        ({"flavor_prefix": "bm2"}, ["first"]),
        ({"only_isolated": "true"}, ["second"]),
        ({"only_with_fixed_external_ip": "true"}, ["first", "second"]),
        ({"tag_value": "prod"}, ["first"]),
        ({"tag_key_value": '{"env": "prod"}'}, ["first"]),
        ({"include_k8s": "false", "order_by": "name.asc"}, ["first", "second"]),
        ({"changes-since": "2024-01-01T00:00:00Z"}, []),
        ({"with_ddos": "true", "type_ddos_profile": "advanced"}, []),
        ({"uuid": "zz"}, []),
        ({"ip": "10.255."}, []),
    ],
)
async def test_the_list_is_filtered(tenant: Tenant, parameters: dict[str, Any], names: list[str]) -> None:
    await an_instance(tenant, name="virtual")
    await an_instance(tenant, flavor_id=BARE_METAL, name="first", labels={"env": "prod"})
    await an_instance(tenant, flavor_id=DEBIAN, name="second", status="SHUTOFF", isolated=True)

    assert await list_names(tenant, **parameters) == names


@pytest.mark.parametrize(
    ("name", "value"), [("status", "RESIZE"), ("order_by", "size.asc"), ("limit", "0"), ("tag_key_value", "x")]
)
async def test_an_invalid_parameter_is_named(tenant: Tenant, name: str, value: str) -> None:
    answer = await tenant.api.get(tenant.path("bminstances"), params={name: value})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [name])


async def test_a_virtual_machine_is_not_a_bare_metal_server(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    path = tenant.path("bminstances", instance.id)

    answers = [
        await tenant.api.get(path),
        await tenant.api.patch(path, json={"name": "other"}),
        await tenant.api.delete(path),
        await tenant.api.post(f"{path}/rebuild", json={}),
        await tenant.api.post(tenant.path("baremetal", instance.id, "action", version=2), json={"action": "stop"}),
        await tenant.api.get(tenant.path("baremetal", instance.id, "get_console", version=3)),
    ]

    assert [answer.status_code for answer in answers] == [404] * 6


@pytest.mark.parametrize("noun", ["baremetal", "bminstances"])
@pytest.mark.parametrize(
    ("action", "status", "task_type"),
    [
        ("start", "SHUTOFF", "start_bm"),
        ("reboot", "ACTIVE", "soft_reboot_bm"),
        ("reboot_hard", "ERROR", "hard_reboot_bm"),
    ],
)
async def test_power_actions_have_baremetal_task_types(
    tenant: Tenant, noun: str, action: str, status: str, task_type: str
) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL, status=status)

    path = tenant.path(noun, server.id, "action", version=2)
    task = await tenant.wait_until_finished(await tenant.api.post(path, json={"action": action}))
    refused = await tenant.api.post(path, json={"action": "suspend"})

    assert task["task_type"] == task_type
    assert (await tenant.api.get(tenant.path("bminstances", server.id))).json()["status"] == "ACTIVE"
    assert refused.status_code == 400


async def test_a_console_is_opened(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)
    path = tenant.path("baremetal", server.id, "get_console", version=3)

    consoles = [(await tenant.api.get(path, params=query)).json()["remote_console"] for query in CONSOLES]
    refused = await tenant.api.get(path, params={"console_type": "novnc"})

    assert [console["type"] for console in consoles] == ["vnc", "serial"]
    assert refused.status_code == 400


CONSOLES: list[dict[str, str]] = [{}, {"console_type": "serial"}]


async def test_selected_floating_ips_are_deleted_with_a_server(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)
    _, (subnet,) = await a_network(tenant)
    inner = await a_port(tenant, subnet, server)
    floating = await a_floating_ip(tenant, inner)
    path = tenant.path("bminstances", server.id)

    ids_and_all = await tenant.api.delete(path, params={"floating_ip_ids": floating.id, "all_floating_ips": "true"})
    not_reserved = await tenant.api.delete(path, params={"reserved_fixed_ip_ids": inner.id})
    task = await tenant.wait_until_finished(await tenant.api.delete(path, params={"all_floating_ips": "true"}))

    assert list(ids_and_all.json()["invalid_fields"]) == ["floating_ip_ids"]
    assert list(not_reserved.json()["invalid_fields"]) == ["reserved_fixed_ip_ids"]
    assert task["data"]["instance_uuid"] == server.id
    assert (await tenant.api.get(tenant.path("floatingips", floating.id))).status_code == 404


async def test_all_reserved_fixed_ips_are_deleted_on_request(tenant: Tenant) -> None:
    reserved = await a_port(tenant)
    order = {**ORDER, "interfaces": [{"type": "reserved_fixed_ip", "port_id": reserved.id}]}
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("bminstances"), json=order))
    path = tenant.path("bminstances", task["created_resources"]["instances"][0])

    await tenant.wait_until_finished(await tenant.api.delete(path, params={"all_reserved_fixed_ips": "true"}))

    assert (await tenant.api.get(tenant.path("reserved_fixed_ips", reserved.id))).status_code == 404


async def test_a_rebuild_installs_the_present_image_by_default(tenant: Tenant) -> None:
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("bminstances"), json=ORDER))
    path = tenant.path("bminstances", task["created_resources"]["instances"][0])
    await inject_fault(tenant, FaultKind.HOLD, "rebuild_bm")

    answer = await tenant.api.post(f"{path}/rebuild", json={})
    rebuilding = (await tenant.api.get(path)).json()
    refused = await tenant.api.post(f"{path}/rebuild", json={})

    assert (rebuilding["status"], rebuilding["task_state"]) == ("REBUILD", "rebuilding")
    assert rebuilding["task_id"] == answer.json()["tasks"][0]
    assert tags_of(rebuilding)["image_id"] == METAL
    assert refused.status_code == 409
    assert [action.action_type for action in await list_user_actions(tenant)] == ["create", "rebuild"]


async def test_a_failed_rebuild_can_be_repeated(tenant: Tenant) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)
    path = tenant.path("bminstances", server.id, "rebuild")
    await inject_fault(tenant, FaultKind.FAIL, "rebuild_bm", message="No network boot")

    task = await tenant.wait_for_task((await tenant.api.post(path, json={"image_id": METAL})).json()["tasks"][0])

    async with tenant.running.app_state.db.read() as tx:
        broken = await find(tx, server.id)
    assert broken is not None
    assert (task["error"], broken.status, broken.task_id) == ("No network boot", "ERROR", None)


@pytest.mark.parametrize(
    ("fields", "body", "status", "field"),
    [
        ({}, {}, 400, "image_id"),
        ({"is_baremetal": False}, None, 400, "image_id"),
        ({"os_type": "windows"}, None, 400, "image_id"),
        ({"status": "saving"}, None, 409, None),
        ({"ssh_key": "required"}, None, 400, "ssh_key_name"),
        ({"user_data": "?"}, None, 400, "user_data"),
    ],
)
async def test_unsuitable_images_cannot_be_installed(
    tenant: Tenant, fields: dict[str, Any], body: dict[str, Any] | None, status: int, field: str | None
) -> None:
    server = await an_instance(tenant, flavor_id=BARE_METAL)
    image_fields = {"is_baremetal": True, **fields}
    user_data = image_fields.pop("user_data", "")
    image = await an_image(tenant, **image_fields)
    request = {"image_id": image.id, "user_data": user_data} if body is None else body

    answer = await tenant.api.post(tenant.path("bminstances", server.id, "rebuild"), json=request)

    assert answer.status_code == status
    assert list(answer.json().get("invalid_fields", {})) == ([field] if field else [])


@pytest.mark.parametrize("operation", ["create_bm", "rebuild_bm"])
async def test_user_data_in_lines_are_stored_in_one(tenant: Tenant, operation: str) -> None:
    content = b"#!/bin/sh\n# " + b"." * 80 + operation.encode()
    body = {"user_data": encodebytes(content).decode()}
    await inject_fault(tenant, FaultKind.HOLD, operation)
    if operation == "rebuild_bm":
        server, image = await an_instance(tenant, flavor_id=BARE_METAL), await an_image(tenant, is_baremetal=True)
        path, body["image_id"] = tenant.path("bminstances", server.id, "rebuild"), image.id
    else:
        path, body = tenant.path("bminstances"), {**ORDER, **body}

    answer = await tenant.api.post(path, json=body)

    assert answer.status_code == 200
    async with tenant.running.app_state.db.read() as tx:
        servers = await TABLE.find(tx, "project_id = :project_id", project_id=tenant.project_id)
    assert [server.boot.user_data for server in servers] == [b64encode(content).decode()]


async def test_an_image_that_is_being_installed_cannot_be_deleted(tenant: Tenant) -> None:
    server, image = await an_instance(tenant, flavor_id=BARE_METAL), await an_image(tenant, is_baremetal=True)
    await inject_fault(tenant, FaultKind.HOLD, "rebuild_bm")
    await tenant.api.post(tenant.path("bminstances", server.id, "rebuild"), json={"image_id": image.id})

    answer = await tenant.api.delete(tenant.path("images", image.id))

    assert (answer.status_code, answer.json()["message"]) == (
        409,
        f"Image {image.id} is in use by instance {server.id}",
    )


async def test_a_new_server_gets_a_ddos_profile_for_its_public_address(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    private_interface = {"type": "subnet", "network_id": subnet.network_id, "subnet_id": subnet.id}
    ddos_profile = {"profile_template": 1, "fields": [{"base_field": 11, "field_value": [443]}]}
    order = {**ORDER, "interfaces": [private_interface, {"type": "external"}], "ddos_profile": ddos_profile}

    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("bminstances"), json=order))
    refused = await tenant.api.post(tenant.path("bminstances"), json={**order, "interfaces": [private_interface]})

    path = tenant.path("bminstances", task["created_resources"]["instances"][0])
    assert (await tenant.api.get(path)).json()["ddos_profile"]["profile_template"]["id"] == 1
    profiles = (await tenant.api.get(tenant.path("ddos/profiles"))).json()["results"]
    external = (await list_ports(tenant, await _get_instance(tenant, path)))[1]
    assert len(profiles) == 1
    assert external.network_id != subnet.network_id
    assert refused.status_code == 400


async def _get_instance(tenant: Tenant, path: str) -> Any:
    async with tenant.running.app_state.db.read() as tx:
        return await find(tx, path.rpartition("/")[2])


async def test_flavors_are_listed_with_capacity_and_price(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, baremetal_hf_count=3)
    await an_instance(tenant, flavor_id=BARE_METAL)
    query = {"include_capacity": "true", "include_prices": "true", "include_reservation_stock": "true"}

    plain = (await tenant.api.get(tenant.path("bmflavors"))).json()
    page = (await tenant.api.get(f"/cloud/v1/bmflavors/{REGION}", params=query)).json()
    capacity = (await tenant.api.get(tenant.path("bmcapacity"))).json()
    await tenant.api.put(f"/_pileus/capacities/{REGION}/{DEBIAN}", json={"servers": 1000})
    region_capacity = (await tenant.api.get(f"/cloud/v2/bmcapacity/{REGION}")).json()
    await tenant.api.put(f"/_pileus/capacities/{REGION}/{DEBIAN}", json={"servers": None})

    views = {flavor["flavor_id"]: flavor for flavor in page["results"]}
    assert all("capacity" not in flavor and "price_per_hour" not in flavor for flavor in plain["results"])
    assert (views[BARE_METAL]["capacity"], views[BARE_METAL]["price_per_hour"]) == (2, 0.45)
    assert (views[DEBIAN]["capacity"], views[DEBIAN]["reserved_capacity"]) == (None, 0)
    assert capacity["capacity"] == {BARE_METAL: 2}
    assert region_capacity["capacity"][BARE_METAL] == 2
    assert 900 < region_capacity["capacity"][DEBIAN] <= 1000
    assert (await tenant.api.get(f"/cloud/v1/bmflavors/{REGION}", params={"client_id": 987654})).status_code == 404
    assert (await tenant.api.get(tenant.path("bmflavors"), params={"exclude_linux": "true"})).json()["count"] == 0
    assert [flavor.flavor_id for flavor in (await tenant.sdk.cloud.baremetal.flavors.list()).results] == list(views)


async def test_flavors_are_listed_for_an_image(tenant: Tenant) -> None:
    path = tenant.path("bminstances", "available_flavors")
    bodies: list[dict[str, str]] = [{}, {"image_id": METAL}, {"image_id": (await an_image(tenant)).id}]

    counts = [(await tenant.api.post(path, json=body)).json()["count"] for body in bodies]
    missing = [await tenant.api.post(path, json=body) for body in ({"image_id": "x"}, {"apptemplate_id": "x"})]

    assert counts == [2, 2, 0]
    assert [answer.status_code for answer in missing] == [404, 404]


async def test_limits_are_checked_before_creation(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, baremetal_hf_count=1, external_ip_count=5)
    path = tenant.path("bminstances", "check_limits")
    body = {"flavor": BARE_METAL, "names": ["a", "b"], "interfaces": [{"type": "external"}]}

    exceeded = (await tenant.api.post(path, json=body)).json()
    wrong = await tenant.api.post(path, json={"flavor": "g1-standard-1-2"})

    assert exceeded == {
        "baremetal_hf_count_requested": 2,
        "baremetal_hf_count_limit": 1,
        "baremetal_hf_count_usage": 0,
    }
    assert (await tenant.api.post(path, json={})).json() == {}
    assert list(wrong.json()["invalid_fields"]) == ["flavor"]
