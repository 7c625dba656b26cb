"""Ports: allowed address pairs and port security."""

from typing import Any

import httpx
import pytest

from pileus.domain.account.access import Role
from pileus.domain.compute.instances import Instance
from pileus.domain.faults import FaultKind
from pileus.domain.network.ports import AddressPair, Port
from pileus.store.network import ports
from tests.builders import (
    a_network,
    a_port,
    a_security_group,
    an_instance,
    inject_fault,
    list_ports,
    list_user_actions,
    reload_instance,
)
from tests.errors import list_error_paths
from tests.tenants import Tenant

UNKNOWN = "00000000-0000-4000-8000-000000000000"
MAC = "00:16:3e:aa:bb:cc"
NO_PORT_SECURITY = "Port Security must be enabled in order to have allowed address pairs on a port."


async def allow(tenant: Tenant, port: Port | str, *pairs: dict[str, Any]) -> httpx.Response:
    port_id = port if isinstance(port, str) else port.id
    path = tenant.path("ports", port_id, "allow_address_pairs", version=2)
    return await tenant.api.put(path, json={"allowed_address_pairs": list(pairs)})


async def secure(tenant: Tenant, port: Port | str, word: str) -> httpx.Response:
    port_id = port if isinstance(port, str) else port.id
    return await tenant.api.post(tenant.path("ports", port_id, f"{word}_port_security"))


async def private_port(tenant: Tenant, **changes: Any) -> tuple[Instance, Port]:
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    return instance, await a_port(tenant, subnet, instance, **changes)


async def find_port(tenant: Tenant, port: Port) -> Port:
    async with tenant.running.app_state.db.read() as tx:
        record = await ports.find(tx, port.id)
    assert record is not None
    return record


async def test_new_pairs_replace_the_old_ones(tenant: Tenant) -> None:
    instance, port = await private_port(tenant, allowed_address_pairs=[AddressPair("10.0.0.9", MAC)])

    task = await tenant.wait_until_finished(
        await allow(tenant, port, {"ip_address": "10.0.0.7"}, {"ip_address": "10.1.0.0/16", "mac_address": MAC.upper()})
    )

    after = await find_port(tenant, port)
    assert (task["task_type"], task["created_resources"]) == ("update_port_allowed_address_pairs", None)
    assert task["data"] == {"port_id": port.id}
    assert after.allowed_address_pairs == [AddressPair("10.0.0.7", port.mac_address), AddressPair("10.1.0.0/16", MAC)]
    assert (after.task_id, (await reload_instance(tenant, instance)).task_id) == (None, None)


@pytest.mark.parametrize("body", [{}, {"allowed_address_pairs": []}])
async def test_an_empty_list_removes_all_pairs(tenant: Tenant, body: dict[str, Any]) -> None:
    _, port = await private_port(tenant, allowed_address_pairs=[AddressPair("10.0.0.9", MAC)])

    path = tenant.path("ports", port.id, "allow_address_pairs", version=2)
    await tenant.wait_until_finished(await tenant.api.put(path, json=body))

    assert (await find_port(tenant, port)).allowed_address_pairs == []


async def test_a_port_without_an_instance_can_have_pairs(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    port = await a_port(tenant, subnet)

    await tenant.wait_until_finished(await allow(tenant, port, {"ip_address": "2001:db8::7"}))

    assert (await find_port(tenant, port)).allowed_address_pairs == [AddressPair("2001:db8::7", port.mac_address)]


async def test_a_failed_update_restores_the_pairs(tenant: Tenant) -> None:
    pair = AddressPair("10.0.0.9", MAC)
    instance, port = await private_port(tenant, allowed_address_pairs=[pair])
    await inject_fault(tenant, FaultKind.FAIL, "update_port_allowed_address_pairs")

    task = await tenant.wait_for_task((await allow(tenant, port)).json()["tasks"][0])

    after = await find_port(tenant, port)
    assert task["error"] == "Injected"
    assert (after.allowed_address_pairs, after.task_id) == ([pair], None)
    assert (await reload_instance(tenant, instance)).task_id is None


@pytest.mark.parametrize(
    ("pairs", "field"),
    [
        ([{"ip_address": "nowhere"}], "allowed_address_pairs.0.ip_address"),
        ([{"ip_address": "10.0.0.1"}, {"ip_address": "10.0.0.1/24"}], "allowed_address_pairs.1.ip_address"),
        ([{}], "allowed_address_pairs.0.ip_address"),
        ([{"ip_address": "10.0.0.1", "mac_address": "none"}], "allowed_address_pairs.0.mac_address"),
        ([{"ip_address": "10.0.0.1"}, {"ip_address": "10.0.0.1"}], "allowed_address_pairs"),
        ([{"ip_address": f"10.0.0.{number}"} for number in range(11)], "allowed_address_pairs"),
    ],
)
async def test_invalid_pairs_are_refused_with_their_field(
    tenant: Tenant, pairs: list[dict[str, Any]], field: str
) -> None:
    _, port = await private_port(tenant)

    answer = await allow(tenant, port, *pairs)

    assert (answer.status_code, list_error_paths(answer.json()["invalid_fields"])) == (400, [field])
    assert await find_port(tenant, port) == port


async def test_ten_pairs_are_allowed(tenant: Tenant) -> None:
    _, port = await private_port(tenant)

    await tenant.wait_until_finished(
        await allow(tenant, port, *({"ip_address": f"10.0.0.{number}"} for number in range(10)))
    )

    assert len((await find_port(tenant, port)).allowed_address_pairs) == 10


async def test_a_port_in_a_public_network_cannot_have_pairs(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)

    assert (await allow(tenant, port, {"ip_address": "10.0.0.7"})).status_code == 400


async def test_pairs_and_virtual_ips_need_port_security(tenant: Tenant) -> None:
    _, port = await private_port(tenant)
    pair = {"ip_address": "10.0.0.200"}
    body = {"type": "any_subnet", "network_id": port.network_id, "is_vip": True}
    creation = await tenant.wait_until_finished(await tenant.api.post(tenant.path("reserved_fixed_ips"), json=body))
    vip_path = tenant.path("reserved_fixed_ips", creation["created_resources"]["ports"][0], "connected_devices")
    await secure(tenant, port, "disable")

    answers = [
        await allow(tenant, port, pair),
        await tenant.api.put(vip_path, json={"port_ids": [port.id]}),
        await tenant.api.patch(vip_path, json={"port_ids": [port.id]}),
    ]

    assert [(answer.status_code, answer.json()["message"]) for answer in answers] == [(409, NO_PORT_SECURITY)] * 3
    assert (await find_port(tenant, port)).allowed_address_pairs == []
    await secure(tenant, port, "enable")
    assert (await allow(tenant, port, pair)).status_code == 200


async def test_port_security_cannot_be_disabled_while_there_are_pairs(tenant: Tenant) -> None:
    _, port = await private_port(tenant, allowed_address_pairs=[AddressPair("10.0.0.9", MAC)])

    refused = await secure(tenant, port, "disable")
    await tenant.wait_until_finished(await allow(tenant, port))
    allowed = await secure(tenant, port, "disable")

    assert (refused.status_code, refused.json()["message"]) == (409, NO_PORT_SECURITY)
    assert (allowed.status_code, allowed.json()["port_security_enabled"]) == (200, False)


async def test_pairs_of_an_earlier_version_can_be_removed_without_port_security(tenant: Tenant) -> None:
    first, second = AddressPair("10.0.0.9", MAC), AddressPair("10.0.0.10", MAC)
    _, port = await private_port(tenant, port_security_enabled=False, allowed_address_pairs=[first, second])

    assert (await secure(tenant, port, "disable")).status_code == 200
    await tenant.wait_until_finished(await allow(tenant, port, {"ip_address": "10.0.0.10", "mac_address": MAC}))

    assert (await find_port(tenant, port)).allowed_address_pairs == [second]


async def test_disabling_port_security_removes_the_groups_for_good(tenant: Tenant) -> None:
    instance, port = await private_port(tenant)
    await a_security_group(tenant, "web", port)

    off = await secure(tenant, port, "disable")
    view = (await tenant.api.get(tenant.path("instances", instance.id))).json()
    on = await secure(tenant, port, "enable")

    assert (off.status_code, off.json()["port_id"], off.json()["port_security_enabled"]) == (200, port.id, False)
    assert view["security_groups"] == []
    assert (on.status_code, on.json()["port_security_enabled"]) == (200, True)
    assert on.json()["network_details"]["name"] == "inside"
    assert len(on.json()["ip_assignments"]) == 1
    assert (await tenant.api.get(tenant.path("instances", instance.id))).json()["security_groups"] == []


@pytest.mark.parametrize(("word", "enabled"), [("enable", True), ("disable", False)])
async def test_repeating_the_request_is_no_error(tenant: Tenant, *, word: str, enabled: bool) -> None:
    _, port = await private_port(tenant, port_security_enabled=enabled)

    for _ in range(2):
        assert (await secure(tenant, port, word)).json()["port_security_enabled"] is enabled


@pytest.mark.parametrize("where", ["port", "instance"])
async def test_a_locked_port_or_instance_is_a_conflict(tenant: Tenant, where: str) -> None:
    locked: dict[str, Any] = {"task_id": UNKNOWN}
    instance = await an_instance(tenant, **(locked if where == "instance" else {}))
    _, (subnet,) = await a_network(tenant)
    port = await a_port(tenant, subnet, instance, **(locked if where == "port" else {}))

    for answer in (
        await allow(tenant, port),
        await secure(tenant, port, "enable"),
        await secure(tenant, port, "disable"),
    ):
        assert answer.status_code == 409
    assert await find_port(tenant, port) == port


async def test_ports_of_other_tenants_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    _, theirs = await private_port(stranger)

    for port_id in (theirs.id, UNKNOWN):
        for answer in (
            await allow(tenant, port_id),
            await secure(tenant, port_id, "enable"),
            await secure(tenant, port_id, "disable"),
        ):
            assert (answer.status_code, answer.json()["message"]) == (404, f"Port {port_id} could not be found")
    assert await find_port(stranger, theirs) == theirs


async def test_every_change_is_in_the_audit_log(tenant: Tenant) -> None:
    _, port = await private_port(tenant)

    await secure(tenant, port, "disable")
    await secure(tenant, port, "enable")
    task = await tenant.wait_until_finished(await allow(tenant, port, {"ip_address": "10.0.0.7"}))

    entries = await list_user_actions(tenant)
    assert [(entry.api_group, entry.action_type, entry.task_id) for entry in entries] == [
        ("port", "disable_portsecurity", None),
        ("port", "enable_portsecurity", None),
        ("port", "update", task["id"]),
    ]


async def test_read_only_callers_cannot_change_ports(tenant: Tenant) -> None:
    client = tenant.clients[Role.USERS]

    pairs = tenant.path("ports", UNKNOWN, "allow_address_pairs", version=2)
    assert (await client.put(pairs, json={})).status_code == 403
    for word in ("enable", "disable"):
        assert (await client.post(tenant.path("ports", UNKNOWN, f"{word}_port_security"))).status_code == 403


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_official_client_disables_and_enables_port_security(tenant: Tenant) -> None:
    _, port = await private_port(tenant)
    api = tenant.sdk.cloud.instances

    off = await api.disable_port_security(port.id)
    on = await api.enable_port_security(port.id)

    assert (off.port_id, off.port_security_enabled, on.port_security_enabled) == (port.id, False, True)
