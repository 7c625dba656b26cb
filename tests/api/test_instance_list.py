"""Lists of instances: every filter, sort order and page."""

import json
from typing import Any

import pytest

from tests.builders import (
    a_ddos_profile,
    a_floating_ip,
    a_network,
    a_port,
    a_security_group,
    an_instance,
    list_addresses,
    list_ports,
)
from tests.tenants import Tenant

DAY = 86_400_000_000


async def list_names(tenant: Tenant, **query: Any) -> list[str]:
    answer = await tenant.api.get(tenant.path("instances"), params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["count"] == len(page["results"])
    return [instance["name"] for instance in page["results"]]


async def test_an_empty_project_lists_nothing(tenant: Tenant) -> None:
    assert (await tenant.api.get(tenant.path("instances"))).json() == {"count": 0, "results": []}


@pytest.mark.parametrize(
    ("changes", "query"),
    [
        ({"name": "Mine-1"}, {"name": "mine"}),
        ({"name": "100%_off"}, {"name": "%_"}),
        ({"status": "SHUTOFF"}, {"status": "SHUTOFF"}),
        ({"flavor_id": "g2-standard-4-8"}, {"flavor_id": "g2-standard-4-8"}),
        ({"flavor_id": "g2-standard-4-8"}, {"flavor_prefix": "g2-"}),
        ({"flavor_id": "g2-standard-4-8"}, {"exclude_flavor_prefix": "g1-"}),
        ({"isolated": True}, {"only_isolated": "true"}),
        ({"changed_at": 10 * DAY}, {"changes-since": "1970-01-10T00:00:00"}),
        ({"labels": {"env": "prod"}}, {"tag_key": "env"}),
        ({"labels": {"env": "prod"}}, {"tag_value": ["prod", "never"]}),
        ({"labels": {"env": "prod", "a": "b"}}, {"tag_key_value": json.dumps({"env": "prod", "a": "b"})}),
    ],
)
async def test_a_filter_returns_matching_instances(
    tenant: Tenant, changes: dict[str, Any], query: dict[str, Any]
) -> None:
    await an_instance(tenant, name="other", labels={"env": "test"} if "tag_value" in query else None)
    matching = await an_instance(tenant, **{"name": "wanted", **changes})

    assert await list_names(tenant, **query) == [matching.name]


async def test_an_id_is_matched_by_a_part(tenant: Tenant) -> None:
    matching, _ = await an_instance(tenant, name="wanted"), await an_instance(tenant)

    assert await list_names(tenant, uuid=matching.id[4:30].upper()) == ["wanted"]


async def test_instances_changed_before_a_time_are_listed(tenant: Tenant) -> None:
    await an_instance(tenant, name="early", changed_at=DAY)
    await an_instance(tenant, name="late", changed_at=20 * DAY)

    assert await list_names(tenant, **{"changes-before": "1970-01-10T00:00:00Z"}) == ["early"]


async def test_addresses_are_matched_by_their_beginning(tenant: Tenant) -> None:
    plain, with_floating = await an_instance(tenant, name="plain"), await an_instance(tenant, name="floating")
    (port,) = await list_ports(tenant, plain)
    (address,) = await list_addresses(tenant, port)
    (other,) = await list_ports(tenant, with_floating)
    floating = await a_floating_ip(tenant, other)

    assert await list_names(tenant, ip=address) == ["plain"]
    assert await list_names(tenant, ip=floating.floating_ip_address) == ["floating"]
    assert await list_names(tenant, ip="203.0.113.") == []


async def test_instances_are_excluded_by_security_group_name(tenant: Tenant) -> None:
    with_group, _ = await an_instance(tenant, name="guarded"), await an_instance(tenant, name="open")
    (port,) = await list_ports(tenant, with_group)
    group = await a_security_group(tenant, "web", port)

    assert await list_names(tenant, exclude_secgroup="web") == ["open"]
    answer = await tenant.api.get(tenant.path("securitygroups", group.id, "instances"))
    assert [view["name"] for view in answer.json()["results"]] == ["guarded"]


async def test_instances_available_for_a_floating_ip_are_listed(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    free, assigned = await an_instance(tenant, name="free"), await an_instance(tenant, name="taken")
    await an_instance(tenant, name="public-only")
    await a_port(tenant, subnet, free)
    await a_floating_ip(tenant, await a_port(tenant, subnet, assigned))

    assert await list_names(tenant, available_floating="true") == ["free"]
    assert sorted(await list_names(tenant, only_with_fixed_external_ip="true")) == ["free", "public-only", "taken"]


async def test_other_kinds_are_listed_on_request(tenant: Tenant) -> None:
    gpu = next(candidate.id for candidate in tenant.running.app_state.catalogue.flavors if candidate.kind == "gpu")
    for name, flavor in (("vm", "g1-standard-1-2"), ("metal", "bm2-hf-medium"), ("gpu-server", gpu)):
        await an_instance(tenant, name=name, flavor_id=flavor)

    assert await list_names(tenant) == ["vm"]
    assert sorted(await list_names(tenant, include_baremetal="true")) == ["metal", "vm"]
    assert sorted(await list_names(tenant, include_ai="true", include_baremetal="true")) == [
        "gpu-server",
        "metal",
        "vm",
    ]


async def test_instances_of_several_kinds_are_sorted_together(tenant: Tenant) -> None:
    gpu = next(candidate.id for candidate in tenant.running.app_state.catalogue.flavors if candidate.kind == "gpu")
    flavors = {"first": "g1-standard-1-2", "second": gpu, "third": "g1-standard-1-2", "fourth": "bm2-hf-medium"}
    for time, (name, flavor) in enumerate(flavors.items()):
        await an_instance(tenant, name=name, flavor_id=flavor, created_at=time)
    all_kinds = {"include_ai": "true", "include_baremetal": "true"}

    assert await list_names(tenant, **all_kinds) == ["fourth", "third", "second", "first"]
    assert await list_names(tenant, **all_kinds, order_by="created.asc") == list(flavors)
    page = await tenant.api.get(tenant.path("instances"), params={**all_kinds, "limit": 2, "offset": 1})
    assert [view["name"] for view in page.json()["results"]] == ["third", "second"]
    assert page.json()["count"] == 4


async def test_ddos_profiles_are_shown_and_filtered_on_request(tenant: Tenant) -> None:
    protected, _ = await an_instance(tenant, name="safe"), await an_instance(tenant, name="bare")
    (port,) = await list_ports(tenant, protected)
    (address,) = await list_addresses(tenant, port)
    await a_ddos_profile(tenant, address)
    (template, *_) = tenant.running.app_state.catalogue.ddos_templates

    without_profile = (await tenant.api.get(tenant.path("instances"), params={"name": "safe"})).json()["results"][0]
    with_profile = (await tenant.api.get(tenant.path("instances"), params={"name": "safe", "with_ddos": "true"})).json()

    assert without_profile["ddos_profile"] is None
    assert with_profile["results"][0]["ddos_profile"]["status"]["status"] == "Active"
    assert await list_names(tenant, with_ddos="true", type_ddos_profile="advanced") == ["safe"]
    assert await list_names(tenant, with_ddos="true", type_ddos_profile="basic") == ["bare"]
    assert await list_names(tenant, with_ddos="true", profile_name=template.name) == ["safe"]
    assert await list_names(tenant, with_ddos="true", profile_name="nobody's") == []
    assert await list_names(tenant, with_ddos="true", protection_status="Error") == []
    assert len(await list_names(tenant, type_ddos_profile="advanced")) == 2


async def test_a_list_shows_no_subnets_and_interface_names_on_request(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    await tenant.running.app_state.db.write(
        lambda tx: tx.run("UPDATE ports SET interface_name = 'front' WHERE id = :id", id=port.id)
    )

    (short,) = (await tenant.api.get(tenant.path("instances"))).json()["results"]
    (with_names,) = (await tenant.api.get(tenant.path("instances"), params={"with_interfaces_name": "true"})).json()[
        "results"
    ]

    assert set(short["addresses"]["pub_net"][0]) == {"addr", "interface_name", "type"}
    assert short["addresses"]["pub_net"][0]["interface_name"] is None
    assert with_names["addresses"]["pub_net"][0]["interface_name"] == "front"


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("created.asc", ["b", "C", "a"]),
        ("created.desc", ["a", "C", "b"]),
        ("name.asc", ["C", "a", "b"]),
        ("name.desc", ["b", "a", "C"]),
        ("status.asc", ["b", "C", "a"]),
        ("status.desc", ["a", "C", "b"]),
        (None, ["a", "C", "b"]),
    ],
)
async def test_lists_are_sorted(tenant: Tenant, order: str | None, names: list[str]) -> None:
    for index, (name, status) in enumerate((("b", "ACTIVE"), ("C", "ERROR"), ("a", "SHUTOFF"))):
        await an_instance(tenant, name=f"{name}00", status=status, created_at=DAY + index)

    query = {"order_by": order} if order else {}
    assert await list_names(tenant, **query) == [f"{name}00" for name in names]


async def test_a_page_has_the_total_count(tenant: Tenant) -> None:
    for number in range(5):
        await an_instance(tenant, name=f"web-{number}", created_at=DAY + number)

    async def page(limit: int, offset: int) -> tuple[int, list[str]]:
        answer = (await tenant.api.get(tenant.path("instances"), params={"limit": limit, "offset": offset})).json()
        return answer["count"], [view["name"] for view in answer["results"]]

    assert await page(2, 0) == (5, ["web-4", "web-3"])
    assert await page(2, 4) == (5, ["web-0"])
    assert await page(5, 0) == (5, [f"web-{number}" for number in (4, 3, 2, 1, 0)])
    assert await page(2, 9) == (5, [])


async def test_the_official_sdk_reads_all_pages(tenant: Tenant) -> None:
    for number in range(5):
        await an_instance(tenant, name=f"web-{number}")

    names = [instance.name async for instance in tenant.sdk.cloud.instances.list(limit=2, tag_value=["22.04"])]

    assert sorted(names) == [f"web-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"offset": -1}, "offset"),
        ({"order_by": "size.asc"}, "order_by"),
        ({"status": "TIRED"}, "status"),
        ({"tag_key_value": "tag_key_value"}, "tag_key_value"),
        ({"changes-since": "yesterday"}, "changes-since"),
        ({"with_ddos": "perhaps"}, "with_ddos"),
        ({"uuid": "x" * 37}, "uuid"),
    ],
)
async def test_an_invalid_parameter_is_named(tenant: Tenant, query: dict[str, Any], field: str) -> None:
    answer = await tenant.api.get(tenant.path("instances"), params=query)

    assert answer.status_code == 400
    assert list(answer.json()["invalid_fields"]) == [field]


async def test_instances_of_another_tenant_are_not_listed(tenant: Tenant, stranger: Tenant) -> None:
    await an_instance(stranger)

    answer = await tenant.api.get(f"/cloud/v1/instances/{stranger.project_id}/1")

    assert (answer.status_code, answer.json()["message"]) == (404, f"Project {stranger.project_id} could not be found")
