"""Other reads of an instance: interfaces, console, metrics, flavors, prices, limits, app templates."""

from datetime import datetime
from urllib.parse import urlsplit

import pytest

from pileus.domain.account.access import Role
from pileus.settings import Settings
from tests.builders import (
    a_floating_ip,
    a_network,
    a_port,
    a_security_group,
    an_instance,
    driver_of,
    list_addresses,
    list_ports,
)
from tests.networks import a_router
from tests.orders import UBUNTU
from tests.storage import set_quotas
from tests.tenants import Tenant, client_of

HOUR = 3_600_000_000


async def test_interfaces_show_networks_addresses_and_floating_ips(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    network, (subnet,) = await a_network(tenant)
    port = await a_port(tenant, subnet, instance)
    floating = await a_floating_ip(tenant, port)

    page = (await tenant.api.get(tenant.path("instances", instance.id, "interfaces"))).json()

    view = page["results"][1]
    (network_subnet,) = view["network_details"]["subnets"]
    assert page["count"] == 2
    assert (view["port_id"], view["network_id"]) == (port.id, network.id)
    (address,) = await list_addresses(tenant, port)
    assert view["ip_assignments"] == [{"ip_address": address, "subnet_id": subnet.id}]
    assert [interface["network_details"]["external"] for interface in page["results"]] == [True, False]
    assert view["floatingip_details"][0]["id"] == floating.id
    assert (network_subnet["id"], network_subnet["available_ips"], network_subnet["total_ips"]) == (subnet.id, 250, 253)


async def test_interfaces_are_listed_in_pages(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    second = await a_port(tenant, subnet, instance)

    path = tenant.path("instances", instance.id, "interfaces")
    page = (await tenant.api.get(path, params={"limit": 1, "offset": 1})).json()

    assert page["count"] == 2
    assert [interface["port_id"] for interface in page["results"]] == [second.id]


async def test_the_official_sdk_lists_interfaces(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    listed = await tenant.sdk.cloud.instances.interfaces.list(instance.id)

    assert listed.count == 1


async def test_ports_and_groups_are_listed(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    group = await a_security_group(tenant, "web", port)
    group_view = {"id": group.id, "name": "web"}

    by_port = (await tenant.api.get(tenant.path("instances", instance.id, "ports"))).json()
    groups = (await tenant.api.get(tenant.path("instances", instance.id, "securitygroups"))).json()

    assert by_port["results"] == [{"id": port.id, "name": port.name, "security_groups": [group_view]}]
    assert groups == {"count": 1, "results": [group_view]}


async def test_a_console_is_opened_for_a_running_instance(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    path = tenant.path("instances", instance.id, "get_console")

    default = (await tenant.api.get(path)).json()["remote_console"]
    chosen = (await tenant.api.get(path, params={"console_type": "novnc"})).json()["remote_console"]
    unknown = await tenant.api.get(path, params={"console_type": "telepathy"})
    await driver_of(tenant.running).set_machine_state(instance.id, "SHUTOFF")
    off = await tenant.api.get(path)

    assert (default["type"], default["protocol"]) == ("spice-html5", "spice")
    assert chosen["type"] == "novnc"
    assert (unknown.status_code, off.status_code) == (400, 409)
    assert (await tenant.clients[Role.USERS].get(path)).status_code == 403


async def test_a_locked_instance_has_no_console(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await tenant.api.post("/_pileus/faults", json={"kind": "hold"})
    await tenant.api.post(tenant.path("instances", instance.id, "action", version=2), json={"action": "reboot"})

    assert (await tenant.api.get(tenant.path("instances", instance.id, "get_console"))).status_code == 409


async def test_metrics_cover_the_requested_period(tenant: Tenant) -> None:
    instance = await an_instance(tenant, created_at=0)
    path = tenant.path("instances", instance.id, "metrics")

    hour = (await tenant.api.post(path, json={"time_interval": 1, "time_unit": "hour"})).json()
    page = (await tenant.api.post(path, params={"limit": 5}, json={"time_interval": 2, "time_unit": "day"})).json()
    refused = await tenant.api.post(path, json={"time_interval": 0, "time_unit": "year"})

    assert hour["count"] == len(hour["results"]) == 12
    assert [sample["time"] for sample in hour["results"]] == sorted(sample["time"] for sample in hour["results"])
    assert hour["results"][0]["cpu_util"] > 0
    assert (page["count"], len(page["results"])) == (576, 5)
    assert set(refused.json()["invalid_fields"]) == {"time_interval", "time_unit"}


@pytest.mark.parametrize(("age", "count"), [(HOUR // 60, 1), (HOUR, 12)])
async def test_there_are_no_metrics_from_before_the_creation(tenant: Tenant, age: int, count: int) -> None:
    created_at = tenant.running.app_state.now() - age
    instance = await an_instance(tenant, created_at=created_at)
    router = await a_router(tenant, created_at=created_at)
    body = {"time_interval": 6, "time_unit": "day"}

    own = (await tenant.api.post(tenant.path("instances", instance.id, "metrics"), json=body)).json()
    (of_router,) = (await tenant.api.post(tenant.path("routers", router.id, "metrics"), json=body)).json()["results"]

    assert (own["count"], len(of_router["metrics"])) == (count, count)
    for sample in (*own["results"], *of_router["metrics"]):
        assert datetime.fromisoformat(sample["time"]).timestamp() >= created_at // 1_000_000


async def test_a_console_url_leads_to_a_page_of_the_server(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    console = (await tenant.api.get(tenant.path("instances", instance.id, "get_console"))).json()
    url = console["remote_console"]["url"]

    async with client_of(tenant.running, None) as browser:
        page = await browser.get(url.removeprefix(Settings().base_url))

    assert urlsplit(url).port == Settings().port
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (200, "text/html")
    assert "no screen" in page.text


async def test_the_official_sdk_reads_metrics(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    metrics = await tenant.sdk.cloud.instances.metrics.list(instance.id, time_interval=1, time_unit="hour")

    assert metrics.results[0].disks is not None


async def test_flavors_are_listed_with_and_without_prices(tenant: Tenant) -> None:
    path = tenant.path("flavors")
    plain = (await tenant.api.get(path)).json()["results"]
    priced = (await tenant.api.get(path, params={"include_prices": "true"})).json()["results"]
    linux = (await tenant.api.get(path, params={"exclude_windows": "true"})).json()["results"]
    page = (await tenant.api.get(path, params={"limit": 1, "offset": 1})).json()

    prices = {flavor["flavor_id"]: flavor["price_per_hour"] for flavor in priced}
    assert prices["g1-standard-1-2"] == 0.012
    assert "price_per_hour" not in plain[0]
    assert not any(flavor["flavor_id"].startswith("bm") for flavor in plain)
    assert {flavor["os_type"] for flavor in linux} == {"linux"}
    assert (page["count"], page["results"]) == (len(plain), [plain[1]])


async def test_available_flavors_suit_the_instance(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    page = (await tenant.api.get(tenant.path("instances", instance.id, "available_flavors"))).json()

    names = {flavor["flavor_id"] for flavor in page["results"]}
    assert instance.flavor_id not in names
    assert "g2-standard-4-8" in names
    assert not any(name.startswith(("bm", "g1w", "g2w")) for name in names)


async def test_available_flavors_suit_the_volumes(tenant: Tenant) -> None:
    body = {"volumes": [{"source": "image", "image_id": UBUNTU, "boot_index": 0}]}

    page = (await tenant.api.post(tenant.path("instances", "available_flavors"), json=body)).json()
    missing = await tenant.api.post(
        tenant.path("instances", "available_flavors"),
        json={"volumes": [{"source": "existing-volume", "volume_id": tenant.running.app_state.new_id()}]},
    )

    assert {flavor["os_type"] for flavor in page["results"]} == {"linux"}
    assert missing.status_code == 404


async def test_a_price_is_the_sum_of_its_parts(tenant: Tenant) -> None:
    body = {
        "flavor": "g1-standard-1-2",
        "interfaces": [{"type": "external"}],
        "volumes": [{"source": "image", "size": 10}, {"source": "new-volume", "size": 5, "type_name": "ssd_hiiops"}],
        "names": ["a-1", "a-2"],
    }

    answer = (await tenant.api.post(f"/cloud/v2/pricing/{tenant.place_path}/instances", json=body)).json()

    parts = answer["per_month"]
    volumes = sum(amount for amount in parts["volumes"].values() if amount)
    total = parts["flavor"] + parts["external_ip"] + parts["floating_ip"] + volumes
    assert answer["vm_count"] == 2
    assert parts["flavor"] == pytest.approx(0.012 * 730 * 2)
    assert answer["total_price_per_month"] == pytest.approx(total)


async def test_an_existing_instance_has_a_price(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answer = (await tenant.api.get(f"/cloud/v1/pricing/{tenant.place_path}/instances/{instance.id}")).json()

    assert answer["price_status"] == "show"
    assert answer["price_per_hour"] > 0.012


async def test_check_limits_returns_only_exceeded_quotas(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tenant.path("instances", "check_limits", version=2)
    limit = 5
    set_quotas(tenant, monkeypatch, vm_count=limit)
    await an_instance(tenant)

    within = await tenant.api.post(path, json={"flavor": "g1-standard-1-2", "interfaces": [], "volumes": []})
    beyond = await tenant.api.post(path, json={"flavor": "g1-standard-1-2", "names": ["n"] * limit})

    exceeded = beyond.json()
    assert within.json() == {}
    assert (exceeded["vm_count_limit"], exceeded["vm_count_requested"], exceeded["vm_count_usage"]) == (limit, limit, 1)


async def test_app_templates_are_listed_and_shown(tenant: Tenant) -> None:
    page = (await tenant.api.get(tenant.path("apptemplates"))).json()
    single = await tenant.api.get(tenant.path("apptemplates", page["results"][0]["id"]))
    missing = await tenant.api.get(tenant.path("apptemplates", "no-such"))

    assert page["count"] == len(page["results"]) > 0
    assert single.json() == page["results"][0]
    assert missing.status_code == 404


async def test_any_name_is_allowed(tenant: Tenant) -> None:
    names = (await tenant.api.get(tenant.path("instances", "available_names"))).json()

    assert (names["custom_name_allowed"], names["name_templates_limited"]) == (True, False)


async def test_an_instance_is_read_whatever_body_is_sent_along(tenant: Tenant) -> None:
    path = tenant.path("instances", (await an_instance(tenant)).id)

    for body in (b'{"name": "other"}', b"{", b"[]"):
        answer = await tenant.api.request("GET", path, content=body)
        assert (answer.status_code, answer.json()) == (200, (await tenant.api.get(path)).json())
