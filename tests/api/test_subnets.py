"""Subnets: valid ranges, DHCP options, and what blocks a change."""

import asyncio
import re
from typing import Any

import pytest
from gcore import ConflictError
from msgspec.structs import replace

from pileus.domain.faults import FaultKind
from pileus.domain.network.networks import Route
from pileus.store import faults
from pileus.store.network import subnets
from tests.builders import a_network, a_port, driver_of, inject_fault
from tests.errors import list_error_paths
from tests.networks import a_router, create, find_subnet, get_view, list_names, list_used_addresses
from tests.storage import set_quotas
from tests.tenants import REGION, Tenant


async def test_a_subnet_is_created_with_its_dhcp_options(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    route = {"destination": "10.9.0.0/16", "nexthop": "10.1.0.7"}
    body = {"network_id": network.id, "cidr": "10.1.0.0/24", "host_routes": [route], "tags": {"a": "b"}}

    subnet = await create(tenant, "subnets", **body)

    assert (subnet["gateway_ip"], subnet["ip_version"], subnet["enable_dhcp"]) == ("10.1.0.1", 4, True)
    assert (subnet["total_ips"], subnet["available_ips"], subnet["has_router"]) == (253, 251, False)
    assert subnet["metadata"] == subnet["tags"]
    assert (subnet["host_routes"], subnet["tags"][0]["key"]) == ([route], "a")
    assert subnet["dns_nameservers"]
    assert subnet["id"] in (await get_view(tenant, "networks", network.id))["subnets"]
    driver_record = await driver_of(tenant.running).find_network_with_subnets(network.id)
    assert driver_record is not None
    assert driver_record[1][subnet["id"]].dns_nameservers == subnet["dns_nameservers"]


async def test_a_subnet_is_attached_to_the_router_of_its_network(tenant: Tenant) -> None:
    network = await create(tenant, "networks")

    subnet = await create(tenant, "subnets", network_id=network["id"], cidr="10.0.0.0/24")
    apart = await create(
        tenant,
        "subnets",
        network_id=network["id"],
        cidr="10.0.1.0/24",
        gateway_ip=None,
        connect_to_network_router=False,
    )

    (router,) = (await tenant.api.get(tenant.path("routers"))).json()["results"]
    (interface,) = router["interfaces"]
    assert interface["ip_assignments"] == [{"ip_address": "10.0.0.1", "subnet_id": subnet["id"]}]
    assert (apart["gateway_ip"], await list_used_addresses(tenant, apart["id"])) == (None, set())


async def test_a_subnet_is_attached_to_the_requested_router(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    router = await a_router(tenant)

    subnet = await create(
        tenant,
        "subnets",
        network_id=network.id,
        cidr="10.4.0.0/24",
        gateway_ip="10.4.0.9",
        router_id_to_connect=router.id,
    )

    (interface,) = (await get_view(tenant, "routers", router.id))["interfaces"]
    assert interface["ip_assignments"] == [{"ip_address": "10.4.0.9", "subnet_id": subnet["id"]}]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"cidr": "8.8.8.0/24"}, "cidr"), ({"cidr": "10.1.0.1/24"}, "cidr"), ({"cidr": "ten"}, "cidr"),
     ({"cidr": "10.1.0.0/31"}, "cidr"), ({"cidr": "10.0.0.128/25"}, "cidr"), ({"ip_version": 6}, "ip_version"),
     ({"gateway_ip": "10.2.0.1"}, "gateway_ip"), ({"gateway_ip": "10.1.0.255"}, "gateway_ip"),
     ({"dns_nameservers": ["one"]}, "dns_nameservers"), ({"gateway_ip": None}, "connect_to_network_router"),
     ({"host_routes": [{"destination": "fc00::/64", "nexthop": "10.1.0.7"}]}, "host_routes.0.nexthop"),
     ({"cidr": "fd00::%x/64"}, "cidr"), ({"gateway_ip": "fd00::1%x"}, "gateway_ip"),
     ({"host_routes": [{"destination": "fd00::%x/64", "nexthop": "fd00::1"}]}, "host_routes.0.destination")],
)  # fmt: skip
async def test_an_invalid_subnet_is_refused_with_its_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    network, _ = await a_network(tenant)
    whole = {"name": "fresh", "network_id": network.id, "cidr": "10.1.0.0/24", **body}

    answer = await tenant.api.post(tenant.path("subnets"), json=whole)

    assert (answer.status_code, list_error_paths(answer.json()["invalid_fields"])) == (400, [field])


BOUNDS: dict[str, list[Any]] = {
    "dns_nameservers": [f"192.0.2.{number}" for number in range(6)],
    "host_routes": [{"destination": f"10.100.{number}.0/24", "nexthop": "10.0.0.9"} for number in range(21)],
}
"""One more of each than a subnet may have."""


@pytest.mark.parametrize("field", BOUNDS)
async def test_a_subnet_has_at_most_5_name_servers_and_20_host_routes(tenant: Tenant, field: str) -> None:
    network, (subnet,) = await a_network(tenant)
    path, body = tenant.path("subnets", subnet.id), {"name": "fresh", "network_id": network.id, "cidr": "10.1.0.0/24"}

    allowed = await tenant.api.patch(path, json={field: BOUNDS[field][:-1]})
    refused = await tenant.api.patch(path, json={field: BOUNDS[field]})
    refused_creation = await tenant.api.post(tenant.path("subnets"), json={**body, field: BOUNDS[field]})

    assert (allowed.status_code, len(allowed.json()[field])) == (200, len(BOUNDS[field]) - 1)
    assert (refused.status_code, list(refused.json()["invalid_fields"])) == (400, [field])
    assert (refused_creation.status_code, list(refused_creation.json()["invalid_fields"])) == (400, [field])
    assert len((await get_view(tenant, "subnets", subnet.id))[field]) == len(BOUNDS[field]) - 1


async def test_a_subnet_of_an_earlier_version_keeps_what_exceeds_the_bounds(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    routes = [Route(f"10.{number}.0.0/16", "10.0.0.9") for number in range(100, 140)]
    earlier = replace(subnet, host_routes=routes)
    await tenant.running.app_state.db.write(lambda tx: subnets.save(tx, subnet, earlier))

    answer = await tenant.api.patch(tenant.path("subnets", subnet.id), json={"enable_dhcp": False})

    assert (answer.status_code, len(answer.json()["host_routes"])) == (200, 40)


async def test_concurrently_created_subnets_do_not_overlap(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    bodies = [{"name": "fresh", "network_id": network.id, "cidr": f"10.5.{n}.0/2{3 + n % 2}"} for n in (0, 0, 1, 0)]

    answers = await asyncio.gather(*(tenant.api.post(tenant.path("subnets"), json=body) for body in bodies))

    done = [answer for answer in answers if answer.status_code == 200]
    for answer in done:
        await tenant.wait_until_finished(answer)
    subnets = (await tenant.api.get(tenant.path("subnets"), params={"network_id": network.id})).json()["results"]
    ranges = [subnet["cidr"] for subnet in subnets if subnet["cidr"].startswith("10.5.")]
    assert len(ranges) == len(done)
    assert ranges in (["10.5.0.0/23"], ["10.5.1.0/24"])


async def test_a_network_is_locked_while_a_subnet_is_created(tenant: Tenant) -> None:
    network, (older,) = await a_network(tenant)
    body = {"name": "fresh", "network_id": network.id}
    await inject_fault(tenant, FaultKind.HOLD, "create_subnet")
    first = await tenant.api.post(tenant.path("subnets"), json={**body, "cidr": "10.1.0.0/24"})
    (task_id,) = first.json()["tasks"]

    with pytest.raises(ConflictError) as refused:
        await tenant.sdk.cloud.networks.subnets.create(name="fresh", network_id=network.id, cidr="10.2.0.0/24")
    renamed = await tenant.api.patch(tenant.path("networks", network.id), json={"name": "other"})
    port_body = {"type": "subnet", "network_id": network.id, "subnet_id": older.id}
    port = await tenant.api.post(tenant.path("reserved_fixed_ips"), json=port_body)
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(first)
    again = await tenant.api.post(tenant.path("subnets"), json={**body, "cidr": "10.2.0.0/24"})

    assert isinstance(refused.value.body, dict)
    assert re.fullmatch(
        rf"Operation on resource `{network.id}` currently locked by running task `create_subnet` with id `{task_id}`"
        r" \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\) to prevent concurrent operations\."
        r" Repeat request a little later\. ",
        refused.value.body["message"],
    )
    assert (renamed.status_code, port.status_code, again.status_code) == (409, 200, 200)
    await tenant.wait_until_finished(again)
    assert (await get_view(tenant, "networks", network.id))["task_id"] is None


async def test_the_sdk_creates_subnets_of_a_network_in_parallel(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    create_subnet = tenant.sdk.with_options(max_retries=2).cloud.networks.subnets.create

    await asyncio.gather(
        *(create_subnet(name="fresh", network_id=network.id, cidr=f"10.{n}.0.0/24") for n in range(1, 4))
    )

    assert len((await get_view(tenant, "networks", network.id))["subnets"]) == 4


async def test_the_quota_is_enforced(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = [(await a_network(tenant))[0] for _ in range(3)]
    set_quotas(tenant, monkeypatch, subnet_count=4)
    bodies = [{"name": "fresh", "network_id": network.id, "cidr": "10.1.0.0/24"} for network in networks]

    answers = await asyncio.gather(*(tenant.api.post(tenant.path("subnets"), json=body) for body in bodies))

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]


async def test_large_ipv6_subnets_show_rounded_counts(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)

    subnet = await create(tenant, "subnets", network_id=network.id, cidr="fd00:1::/64", connect_to_network_router=False)

    assert (subnet["ip_version"], subnet["gateway_ip"]) == (6, "fd00:1::1")
    assert subnet["total_ips"] > 2**63


async def test_lists_are_sorted_and_filtered(tenant: Tenant, stranger: Tenant) -> None:
    network, _ = await a_network(tenant, "10.0.2.0/24", "10.0.10.0/24")
    await a_network(tenant, "10.1.0.0/24")
    await a_network(stranger)

    async def ranges(**query: Any) -> list[str]:
        answer = (await tenant.api.get(tenant.path("subnets"), params=query)).json()
        return [view["cidr"] for view in answer["results"]]

    assert await ranges() == ["10.0.2.0/24", "10.0.10.0/24", "10.1.0.0/24"]
    assert await ranges(order_by="cidr.desc", limit=1) == ["10.1.0.0/24"]
    assert await ranges(network_id=network.id) == ["10.0.2.0/24", "10.0.10.0/24"]
    assert len(await ranges(owned_by="any")) > 3
    assert await list_names(tenant, "subnets", tag_key="none") == []


async def test_a_patch_changes_the_dhcp_options(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    path = tenant.path("subnets", subnet.id)
    body = {"name": "other", "gateway_ip": "10.0.0.9", "dns_nameservers": [], "enable_dhcp": False, "tags": {"a": "b"}}

    view = (await tenant.api.patch(path, json=body)).json()

    assert {name: view[name] for name in body if name != "tags"} == {k: v for k, v in body.items() if k != "tags"}
    assert (view["tags"][0]["key"], view["task_id"]) == ("a", None)
    driver_record = await driver_of(tenant.running).find_network_with_subnets(subnet.network_id)
    assert driver_record is not None
    assert (driver_record[1][subnet.id].gateway_ip, driver_record[1][subnet.id].enable_dhcp) == ("10.0.0.9", False)
    assert (await tenant.api.patch(path, json={"gateway_ip": None, "tags": None})).json()["gateway_ip"] is None
    assert (await tenant.api.patch(path, json={})).json()["tags"] == []


async def test_a_gateway_in_use_cannot_change(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet)

    answer = await tenant.api.patch(tenant.path("subnets", subnet.id), json={"gateway_ip": "10.0.0.9"})

    assert (answer.status_code, "in use" in answer.json()["message"]) == (409, True)


async def test_a_gateway_of_null_is_ignored_while_a_router_has_the_gateways_address(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet)
    path = tenant.path("subnets", subnet.id)
    before = await get_view(tenant, "subnets", subnet.id)
    same = {name: before[name] for name in ("enable_dhcp", "dns_nameservers", "host_routes")}

    unchanged = await tenant.api.patch(path, json={**same, "gateway_ip": None})
    renamed = await tenant.api.patch(path, json={**same, "gateway_ip": None, "name": "other"})

    assert (unchanged.status_code, {**unchanged.json(), "updated_at": before["updated_at"]}) == (200, before)
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["gateway_ip"]) == (200, "other", "10.0.0.1")


async def test_a_failed_update_changes_nothing(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    before = await get_view(tenant, "subnets", subnet.id)
    await inject_fault(tenant, FaultKind.FAIL, "update_subnet")

    answer = await tenant.api.patch(tenant.path("subnets", subnet.id), json={"enable_dhcp": False})

    assert (answer.status_code, answer.json()) == (200, before)


async def test_a_subnet_is_deleted_when_it_has_no_port(tenant: Tenant) -> None:
    _, (subnet, used) = await a_network(tenant, "10.0.0.0/24", "10.0.1.0/24")
    router = await a_router(tenant, subnet)
    await a_port(tenant, used)

    task = await tenant.wait_until_finished(await tenant.api.delete(tenant.path("subnets", subnet.id)))
    refused = await tenant.api.delete(tenant.path("subnets", used.id))

    assert (task["task_type"], task["data"]["subnet_id"]) == ("delete_subnet", subnet.id)
    assert (await find_subnet(tenant, subnet.id), (await get_view(tenant, "routers", router.id))["interfaces"]) == (
        None,
        [],
    )
    assert (refused.status_code, "has ports" in refused.json()["message"]) == (409, True)


async def test_the_official_sdk_manages_networks_and_subnets(tenant: Tenant) -> None:
    cloud = tenant.sdk.cloud
    where: Any = {"project_id": tenant.project_id, "region_id": REGION}

    network = await cloud.networks.create_and_poll(name="inside", polling_interval_seconds=0, **where)
    subnet = await cloud.networks.subnets.create_and_poll(
        name="range", cidr="10.0.0.0/24", network_id=network.id, polling_interval_seconds=0, **where
    )
    renamed = await cloud.networks.update_and_poll(
        network_id=network.id, name="other", polling_interval_seconds=0, **where
    )
    changed = await cloud.networks.subnets.update(subnet_id=subnet.id, name="other", **where)

    assert (renamed.name, changed.name, changed.gateway_ip) == ("other", "other", "10.0.0.1")
    assert [network.id for network in (await cloud.networks.list(**where)).results] == [network.id]
    assert [subnet.id for subnet in (await cloud.networks.subnets.list(**where)).results] == [subnet.id]
    await cloud.networks.subnets.delete(subnet_id=subnet.id, **where)
