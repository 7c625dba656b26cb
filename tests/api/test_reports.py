"""Usage and cost reports: amounts, prices, filters and formats."""

import csv
import io
from decimal import Decimal
from typing import Any

import httpx
import pytest

from pileus.api.wire.times import format_zulu
from pileus.domain.account.access import Role
from pileus.domain.account.usage_reports import DAY
from tests.builders import a_floating_ip, an_image, an_instance
from tests.creations import create_instance
from tests.networks import a_routed_network
from tests.orders import boot
from tests.storage import a_snapshot, a_volume
from tests.tenants import REGION, Tenant

FLAVOR = "g1-standard-1-2"


def today(tenant: Tenant) -> int:
    return tenant.running.app_state.now() // DAY * DAY


def yesterday(tenant: Tenant, **more: Any) -> dict[str, Any]:
    """Return the body of a report of the last whole day."""
    return {"time_from": format_zulu(today(tenant) - DAY), "time_to": format_zulu(today(tenant)), **more}


def so_far(tenant: Tenant, **more: Any) -> dict[str, Any]:
    """Return the body of a report of the last week and today."""
    week = {"time_from": format_zulu(today(tenant) - 7 * DAY), "time_to": format_zulu(today(tenant))}
    return {**week, "enable_last_day": True, "limit": 100, **more}


async def resources(tenant: Tenant, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await tenant.api.post("/cloud/v1/cost_report/resources", json={"limit": 100, **body})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


async def of_type(tenant: Tenant, type_: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    return [line for line in await resources(tenant, body) if line["type"] == type_]


async def test_a_day_of_each_resource_costs_its_catalogue_price(tenant: Tenant, stranger: Tenant) -> None:
    catalogue, before = tenant.running.app_state.catalogue, today(tenant) - 3 * DAY
    instance = await an_instance(tenant, name="server", labels={"env": "prod"}, created_at=before)
    volume = await a_volume(tenant, size=7, created_at=before)
    snapshot = await a_snapshot(tenant, volume, created_at=before)
    image = await an_image(tenant, size=3 << 30, created_at=before)
    floating_ip = await a_floating_ip(tenant, created_at=before)
    await an_instance(stranger, created_at=before)

    list_ids = await resources(tenant, yesterday(tenant))

    by_id = {item["uuid"]: item for item in list_ids if "uuid" in item}
    flavor = catalogue.flavor(FLAVOR)
    assert flavor is not None
    assert flavor.price_per_hour is not None
    line = by_id[instance.id]
    assert (line["billing_value"], line["billing_value_unit"], line["last_name"]) == (1440, "minutes", "server")
    assert line["cost"] == float((flavor.price_per_hour * 24).quantize(Decimal("0.00001")))
    assert (line["currency"], line["flavor"], line["project_id"]) == (catalogue.currency, FLAVOR, tenant.project_id)
    assert {"key": "env", "value": "prod"} in line["tags"]
    per_month = catalogue.volume_types_by_name(catalogue.regions[0])["standard"].price_per_gib_month
    assert (by_id[volume.id]["billing_value"], by_id[volume.id]["last_size"]) == (7 * 1440, 7)
    assert by_id[volume.id]["cost"] == float((7 * per_month * 24 / 730).quantize(Decimal("0.00001")))
    assert (by_id[snapshot.id]["billing_value"], by_id[snapshot.id]["source_volume_uuid"]) == (7 * 1440, volume.id)
    assert (by_id[image.id]["billing_value"], by_id[image.id]["size_unit"]) == (3 * 1440, "bytes")
    assert by_id[floating_ip.id]["ip_address"] == floating_ip.floating_ip_address
    assert [item["attached_to_vm"] for item in list_ids if item["type"] == "external_ip"] == []


async def test_deleted_and_resized_resources_are_reported(tenant: Tenant) -> None:
    cloud = tenant.running.app_state
    instance = await an_instance(tenant, created_at=cloud.now() - 2 * DAY)
    resized = tenant.path("instances", instance.id, "changeflavor")
    await tenant.wait_until_finished(await tenant.api.post(resized, json={"flavor_id": "g1-standard-2-4"}))
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("instances", instance.id)))

    lines = await of_type(tenant, "instance", so_far(tenant))

    assert {line["flavor"]: round(line["billing_value"]) for line in lines} == {FLAVOR: 2880, "g1-standard-2-4": 0}
    assert {line["uuid"] for line in lines} == {instance.id}


async def test_volumes_are_charged_by_their_size_and_type_at_the_time(tenant: Tenant) -> None:
    volume = await a_volume(tenant, size=10, created_at=tenant.running.app_state.now() - 2 * DAY)
    path = tenant.path("volumes", volume.id)
    await tenant.wait_until_finished(await tenant.api.post(f"{path}/extend", json={"size": 20}))
    await tenant.wait_until_finished(await tenant.api.delete(path))

    (line,) = await of_type(tenant, "volume", so_far(tenant))

    assert (round(line["billing_value"] / 100), line["last_size"]) == (288, 20)


async def test_usage_matches_all_creations_and_deletions(tenant: Tenant) -> None:
    kept, gone = await a_floating_ip(tenant), await a_floating_ip(tenant)
    body = {"type": "external"}
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("reserved_fixed_ips"), json=body))
    (port_id,) = task["created_resources"]["ports"]
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("floatingips", gone.id)))
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("reserved_fixed_ips", port_id)))

    list_ids = await resources(tenant, so_far(tenant))

    assert {item["uuid"] for item in list_ids if item["type"] == "floatingip"} == {kept.id, gone.id}
    assert [item["port_id"] for item in list_ids if item["type"] == "external_ip"] == [port_id]


async def test_the_usage_of_a_deleted_instance_and_its_parts_remains(tenant: Tenant) -> None:
    network, _ = await a_routed_network(tenant)
    inside = {"type": "any_subnet", "network_id": network.id, "floating_ip": {"source": "new"}}
    volumes = [boot(delete_on_termination=True)]
    instance = await create_instance(tenant, interfaces=[{"type": "external"}, inside], volumes=volumes)
    deletion = await tenant.api.delete(tenant.path("instances", instance["id"]), params={"delete_floatings": True})
    await tenant.wait_until_finished(deletion)

    lines = await resources(tenant, so_far(tenant))

    assert sorted(line["type"] for line in lines) == ["external_ip", "floatingip", "instance", "volume"]


async def test_the_usage_of_a_deleted_project_remains(tenant: Tenant) -> None:
    project_id = (await tenant.api.post("/cloud/v1/projects", json={"name": "short-lived"})).json()["id"]
    here, tenant.project_id = tenant.project_id, project_id
    volume = await a_volume(tenant, created_at=tenant.running.app_state.now() - DAY)
    tenant.project_id = here
    await tenant.wait_until_finished(await tenant.api.delete(f"/cloud/v1/projects/{project_id}"))

    (line,) = await of_type(tenant, "volume", so_far(tenant, projects=[project_id]))

    assert (line["uuid"], line["project_id"]) == (volume.id, project_id)


async def test_reports_are_filtered(tenant: Tenant) -> None:
    before = today(tenant) - 3 * DAY
    first = await a_volume(tenant, name="one", labels={"env": "Production", "team": "red"}, created_at=before)
    second = await a_volume(tenant, name="two", labels={"env": "testing", "team": "red"}, created_at=before)

    async def list_ids(**more: Any) -> set[str]:
        return {line["uuid"] for line in await resources(tenant, yesterday(tenant, **more))}

    async def list_ids_by_tags(*conditions: dict[str, Any], how: str = "OR") -> set[str]:
        return await list_ids(tags={"conditions": conditions, "condition_type": how})

    assert await list_ids(types=["volume"], regions=[REGION], projects=[tenant.project_id]) == {first.id, second.id}
    assert (
        await list_ids(types=["instance"])
        == await list_ids(regions=[77])
        == await list_ids(projects=[7_000_000])
        == set()
    )
    assert await list_ids(schema_filter={"type": "volume", "field": "last_name", "values": ["two"]}) == {second.id}
    assert await list_ids_by_tags({"key": "env", "value": "prod"}) == {first.id}
    assert await list_ids_by_tags({"key": "env", "value": "prod", "strict": True}) == set()
    assert await list_ids_by_tags({"key": "env", "value": "testing", "strict": True}) == {second.id}
    assert await list_ids_by_tags({"key": "team"}, {"key": "env", "value": "testing"}) == {first.id, second.id}
    assert await list_ids_by_tags({"key": "team"}, {"key": "env", "value": "testing"}, how="AND") == {second.id}
    assert await list_ids_by_tags({"value": "red"}) == {first.id, second.id}


async def test_lines_are_ordered_and_paged(tenant: Tenant) -> None:
    for name, size in (("b", 3), ("a", 1), ("c", 2)):
        await a_volume(tenant, name=name, size=size, created_at=today(tenant) - 3 * DAY)

    async def names(**more: Any) -> list[str]:
        return [line["last_name"] for line in await resources(tenant, yesterday(tenant, **more))]

    assert await names(order_by=["last_name.asc"]) == ["a", "b", "c"]
    assert await names(order_by=["project.asc", "billing_value.desc"]) == ["b", "c", "a"]
    assert await names(sorting=[{"last_name": "desc"}], limit=1, offset=1) == ["b"]


async def test_totals_and_csv_tables(tenant: Tenant) -> None:
    for size in (1, 2):
        await a_volume(tenant, size=size, created_at=today(tenant) - 3 * DAY)

    answer = (await tenant.api.post("/cloud/v1/cost_report/totals", json=yesterday(tenant))).json()
    (line,) = answer["results"]
    assert (line["type"], line["volume_type"], line["billing_value"]) == ("volume", "standard", 3 * 1440)
    lines = await resources(tenant, yesterday(tenant, rounding=False))
    exact = sum(line["cost"] for line in lines)
    assert line["cost"] == pytest.approx(exact, abs=1e-5)

    transport = httpx.ASGITransport(tenant.running.app)  # type: ignore[arg-type]
    headers = {"Authorization": f"APIKey {tenant.tokens[Role.USERS]}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://pileus.test", headers=headers) as client:
        body = yesterday(tenant, response_format="csv_records")
        table = await client.post("/cloud/v1/cost_report/resources", json=body)
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert table.headers["content-type"].startswith("text/csv")
    assert {(row["last_size"], row["type"]) for row in rows} == {("1", "volume"), ("2", "volume")}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"time_from": "2026-01-01T00:00:00Z", "time_to": "2026-03-01T00:00:00Z"}, "time_to"),
        ({"time_from": "2026-01-02T00:00:00Z", "time_to": "2026-01-01T00:00:00Z"}, "time_to"),
        ({"time_from": "soon", "time_to": "2026-01-01T00:00:00Z"}, "time_from"),
        ({"time_to": "2026-01-01T00:00:00Z"}, "time_from"),
        ({"time_from": "2026-01-01", "time_to": "2026-01-02", "tags": {"conditions": []}}, "conditions"),
        ({"time_from": "2026-01-01", "time_to": "2026-01-02", "types": ["moon"]}, "types"),
        ({"time_from": "2026-01-01", "time_to": "2026-01-02", "sorting": [{"size": "asc"}]}, "sorting"),
    ],
)
async def test_an_invalid_report_request_is_400(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await tenant.api.post("/cloud/v1/cost_report/resources", json=body)

    assert (answer.status_code, field in answer.text) == (400, True), answer.text


async def test_the_official_sdk_reads_reports(tenant: Tenant) -> None:
    await an_instance(tenant, created_at=today(tenant) - 3 * DAY)
    when: Any = {"time_from": format_zulu(today(tenant) - DAY), "time_to": format_zulu(today(tenant))}

    detailed = await tenant.sdk.cloud.cost_reports.get_detailed(**when)
    sums = await tenant.sdk.cloud.cost_reports.get_aggregated(**when)
    reserved = await tenant.sdk.cloud.cost_reports.get_aggregated_monthly(**when)
    usage = await tenant.sdk.cloud.usage_reports.get(**when)

    assert detailed.count == usage.count == len(usage.resources) > 0
    assert {item.type for item in sums.results} == {"instance"}
    assert {item.type for item in (*usage.totals, *usage.resources)} == {"instance"}
    assert reserved.count == 0
