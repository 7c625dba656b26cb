"""File shares: in a network of the project or on the storage network, with access rules, settings and prices."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import gcore
import pytest
from msgspec.structs import replace

from pileus.domain.account.regions import Region
from pileus.domain.faults import FaultKind
from tests.builders import a_network, driver_of, inject_fault, list_user_actions
from tests.networks import get_external_network_id
from tests.storage import a_file_share, an_access_rule, set_quotas
from tests.tenants import REGION, Tenant

NOUN = "file_shares"
MISSING = "00000000-0000-4000-8000-000000000000"


def vast(**changes: Any) -> dict[str, Any]:
    return {"name": "data", "protocol": "NFS", "size": 5, "type_name": "vast", **changes}


def standard(network_id: str, **changes: Any) -> dict[str, Any]:
    return {"name": "data", "protocol": "NFS", "size": 5, "network": {"network_id": network_id}, **changes}


async def create(tenant: Tenant, body: dict[str, Any]) -> dict[str, Any]:
    """Create a file share and return its view."""
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path(NOUN), json=body))
    assert task["task_type"] == "create_sfs"
    (share_id,) = task["created_resources"]["file_shares"]
    return await get(tenant, share_id)


async def get(tenant: Tenant, share_id: str) -> dict[str, Any]:
    answer = await tenant.api.get(tenant.path(NOUN, share_id))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def list_rules(tenant: Tenant, share_id: str) -> list[tuple[str, str, str]]:
    answer = await tenant.api.get(tenant.path(NOUN, share_id, "access_rule"))
    return [(rule["access_to"], rule["access_level"], rule["state"]) for rule in answer.json()["results"]]


async def refuse(tenant: Tenant, body: dict[str, Any]) -> dict[str, Any]:
    answer = await tenant.api.post(tenant.path(NOUN), json=body)
    assert answer.status_code == 400, answer.text
    return dict(answer.json()["invalid_fields"])


async def test_a_standard_share_has_an_address_in_a_private_network(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    before = (await tenant.api.get(tenant.path("subnets", subnet.id))).json()["available_ips"]

    view = await create(tenant, standard(network.id, tags={"env": "prod"}))

    place = {"network_id": network.id, "network_name": network.name}
    place |= {"subnet_id": subnet.id, "subnet_name": subnet.name}
    assert {name: view[name] for name in place} == place == view["network"]
    assert view["share_network_name"] == "File_share_data_network"
    assert (view["status"], view["type_name"], view["volume_type"]) == ("available", "standard", "default_share_type")
    assert (view["protocol"], view["size"], view["share_settings"]) == ("NFS", 5, {"type_name": "standard"})
    assert view["connection_point"].startswith("10.0.0.")
    assert view["connection_point"].endswith(f":/shares/share-{view['id']}")
    assert view["tags"] == [{"key": "env", "value": "prod", "read_only": False}]
    assert view["metadata"] == {"env": "prod"}
    assert (await tenant.api.get(tenant.path("subnets", subnet.id))).json()["available_ips"] == before - 1


async def test_a_vast_share_is_on_the_storage_network_and_has_settings(tenant: Tenant) -> None:
    settings = {"root_squash": False, "trash_access": True, "path_length": "NPL"}

    view = await create(tenant, vast(share_settings=settings))

    assert view["share_settings"] == {**settings, "type_name": "vast", "allowed_characters": "LCD"}
    assert (view["volume_type"], view["share_network_name"]) == ("vast_share_type", None)
    assert view["network"]["network_name"] == view["network_name"] == "vast"
    assert (await tenant.api.get(tenant.path("networks", view["network_id"]))).status_code == 404


@pytest.mark.parametrize(
    ("volume_type", "type_name"), [("vast_share_type", "vast"), ("default_share_type", "standard")]
)
async def test_the_older_name_of_the_type_counts_without_the_newer_one(
    tenant: Tenant, volume_type: str, type_name: str
) -> None:
    network, _ = await a_network(tenant)
    body = standard(network.id, volume_type=volume_type, metadata={"a": "b"})
    if type_name == "vast":
        del body["network"]

    view = await create(tenant, body)

    assert (view["type_name"], view["volume_type"], view["metadata"]) == (type_name, volume_type, {"a": "b"})


async def test_the_official_sdk_creates_updates_resizes_and_deletes_shares(tenant: Tenant, stranger: Tenant) -> None:
    await a_file_share(stranger)
    network, _ = await a_network(tenant)
    api: Any = tenant.sdk.cloud.file_shares
    scope: Any = {"project_id": tenant.project_id, "region_id": REGION}
    poll: Any = {**scope, "polling_interval_seconds": 0}

    created = await api.create_and_poll(
        **poll,
        name="data",
        protocol="NFS",
        size=5,
        network={"network_id": network.id},
        access=[{"ip_address": "10.0.0.0/24", "access_mode": "rw"}],
    )
    updated = await api.update_and_poll(created.id, **poll, name="other", tags={"env": "prod"})
    resized = await api.resize_and_poll(created.id, **poll, size=6)
    rule = await api.access_rules.create(created.id, **scope, ip_address="10.0.1.1", access_mode="ro")
    rules = [listed async for listed in api.access_rules.list(created.id, **scope)]
    await api.access_rules.delete(rule.id, **scope, file_share_id=created.id)
    listed = [share async for share in api.list(**scope, type_name="standard", name="other")]
    none = [share async for share in api.list(**scope, type_name="vast")]
    vast_share = await api.create_and_poll(**poll, name="fast", protocol="NFS", size=1, type_name="vast")
    for share in (created, vast_share):
        (task_id,) = (await api.delete(share.id, **scope)).tasks
        assert (await tenant.wait_for_task(task_id))["state"] == "FINISHED"

    assert (created.size, created.network.network_id) == (5, network.id)
    assert (updated.name, [tag.key for tag in updated.tags]) == ("other", ["env"])
    assert (resized.size, resized.connection_point) == (6, created.connection_point)
    assert (rule.access_to, rule.access_level, rule.state) == ("10.0.1.1", "ro", "active")
    assert [(item.access_to, item.state) for item in rules] == [("10.0.0.0/24", "active"), ("10.0.1.1", "active")]
    assert ([share.id for share in listed], none) == ([created.id], [])
    with pytest.raises(gcore.NotFoundError):
        await api.get(created.id, **scope)


async def test_fields_of_another_type_are_refused(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    rule = {"ip_address": "10.0.0.1", "access_mode": "ro"}

    assert list(await refuse(tenant, vast(network={"network_id": network.id}))) == ["network"]
    assert list(await refuse(tenant, vast(access=[rule]))) == ["access"]
    assert list(await refuse(tenant, standard(network.id, share_settings={"root_squash": False}))) == ["share_settings"]
    assert list(await refuse(tenant, vast(share_settings={"trash_access": True}))) == ["share_settings"]
    assert list(await refuse(tenant, vast(protocol="LUSTRE"))) == ["protocol"]
    assert list(await refuse(tenant, vast(type_name="ddn", protocol="LUSTRE"))) == ["type_name"]
    assert list(await refuse(tenant, {**vast(), "type_name": "standard"})) == ["network"]
    assert list(await refuse(tenant, vast(size=0))) == ["size"]
    assert list(await refuse(tenant, standard(network.id, access=[rule, rule]))) == ["access"]
    assert list(await refuse(tenant, standard(network.id, access=[{**rule, "ip_address": "10.0.0.1/24"}]))) == [
        "ip_address"
    ]


async def test_the_network_is_private_and_the_own_one(tenant: Tenant, stranger: Tenant) -> None:
    foreign, _ = await a_network(stranger)
    _, (subnet,) = await a_network(tenant)
    other, _ = await a_network(tenant)
    external = get_external_network_id(tenant)

    answers = [
        await tenant.api.post(tenant.path(NOUN), json=standard(network_id))
        for network_id in (foreign.id, MISSING, external)
    ]
    wrong = {"network_id": other.id, "subnet_id": subnet.id}
    answers.append(await tenant.api.post(tenant.path(NOUN), json=standard(other.id, network=wrong)))

    assert [answer.status_code for answer in answers] == [404, 404, 400, 400]
    assert "needs a private network" in answers[2].json()["message"]


async def test_a_network_with_a_share_is_not_deleted(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    share = await a_file_share(tenant, subnet)

    refused = [await tenant.api.delete(tenant.path(noun, id_)) for noun, id_ in network_and_subnet(network, subnet)]
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path(NOUN, share.id)))
    for noun, record_id in reversed(network_and_subnet(network, subnet)):
        await tenant.wait_until_finished(await tenant.api.delete(tenant.path(noun, record_id)))

    assert [answer.status_code for answer in refused] == [409, 409]


def network_and_subnet(network: Any, subnet: Any) -> list[tuple[str, str]]:
    return [("networks", network.id), ("subnets", subnet.id)]


async def test_a_share_is_updated_by_a_task_in_version_3_and_at_once_in_version_1(tenant: Tenant) -> None:
    share = await a_file_share(tenant, labels={"a": "b", "c": "d"})
    change = {"name": "other", "tags": {"a": None, "e": "f"}, "share_settings": {"root_squash": False}}

    task = await tenant.wait_until_finished(await tenant.api.patch(tenant.path(NOUN, share.id, version=3), json=change))
    after = await get(tenant, share.id)
    answer = await tenant.api.patch(tenant.path(NOUN, share.id), json={"tags": {}, "share_settings": {}})
    cleared = await tenant.api.patch(tenant.path(NOUN, share.id), json={"tags": None, "name": "third"})
    nothing = await tenant.api.patch(tenant.path(NOUN, share.id, version=3), json={})

    assert (task["task_type"], task["created_resources"]) == ("update_sfs", None)
    assert (after["name"], after["metadata"]) == ("other", {"c": "d", "e": "f"})
    assert after["share_settings"]["root_squash"] is False
    assert (answer.status_code, answer.json()) == (200, after)
    assert (cleared.json()["name"], cleared.json()["tags"]) == ("third", [])
    assert len(nothing.json()["tasks"]) == 1


async def test_settings_of_a_standard_share_are_ignored_in_version_1_and_refused_in_version_3(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    share = await a_file_share(tenant, subnet)
    change = {"name": "other", "share_settings": {"root_squash": False}}

    refused = await tenant.api.patch(tenant.path(NOUN, share.id, version=3), json=change)
    answer = await tenant.api.patch(tenant.path(NOUN, share.id), json=change)

    assert (refused.status_code, list(refused.json()["invalid_fields"])) == (400, ["share_settings"])
    assert (answer.status_code, answer.json()["name"]) == (200, "other")


async def test_trash_access_requires_that_root_is_not_squashed(tenant: Tenant) -> None:
    share = await a_file_share(tenant)
    path = tenant.path(NOUN, share.id, version=3)

    refused = await tenant.api.patch(path, json={"share_settings": {"trash_access": True}})
    both = {"trash_access": True, "root_squash": False}
    await tenant.wait_until_finished(await tenant.api.patch(path, json={"share_settings": both}))
    again = await tenant.api.patch(path, json={"share_settings": {"root_squash": True}})

    assert (refused.status_code, again.status_code) == (400, 400)


@pytest.mark.parametrize("size", [1, 10])
async def test_a_share_cannot_shrink_or_keep_its_size(tenant: Tenant, size: int) -> None:
    share = await a_file_share(tenant)

    answer = await tenant.api.post(tenant.path(NOUN, share.id, "extend"), json={"size": size})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["size"])


async def test_a_failed_extension_restores_the_size_and_the_quota(tenant: Tenant) -> None:
    share = await a_file_share(tenant)
    await inject_fault(tenant, FaultKind.FAIL, "extend_sfs")

    answer = await tenant.api.post(tenant.path(NOUN, share.id, "extend"), json={"size": 30})
    task = await tenant.wait_for_task(answer.json()["tasks"][0])
    quotas = (await tenant.api.get(f"/cloud/v2/regional_quotas/{tenant.client_id}/{REGION}")).json()

    assert task["state"] == "ERROR"
    view = await get(tenant, share.id)
    assert (view["size"], view["status"], view["task_id"]) == (10, "available", None)
    assert (quotas["sfs_count_usage"], quotas["sfs_size_usage"]) == (1, 10)


async def test_a_rule_is_applied_at_once_and_has_one_target(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    share = await a_file_share(tenant, subnet)
    path = tenant.path(NOUN, share.id, "access_rule")

    first = await tenant.api.post(path, json={"ip_address": "10.0.0.7", "access_mode": "ro"})
    twice = await tenant.api.post(path, json={"ip_address": "10.0.0.7", "access_mode": "rw"})
    await tenant.api.post(path, json={"ip_address": "fd00::/64", "access_mode": "rw"})
    invalid = await tenant.api.post(path, json={"ip_address": "fe80::1%host", "access_mode": "rw"})
    rules = await list_rules(tenant, share.id)
    page = (await tenant.api.get(path, params={"limit": 1, "offset": 1})).json()
    gone = await tenant.api.delete(f"{path}/{first.json()['id']}")
    again = await tenant.api.delete(f"{path}/{first.json()['id']}")

    assert first.json() == {
        "id": first.json()["id"],
        "access_to": "10.0.0.7",
        "access_level": "ro",
        "state": "active",
    }
    assert rules == [("10.0.0.7", "ro", "active"), ("fd00::/64", "rw", "active")]
    assert (page["count"], page["results"][0]["access_to"]) == (2, "fd00::/64")
    assert [answer.status_code for answer in (first, twice, invalid, gone, again)] == [200, 409, 400, 204, 404]
    assert await driver_of(tenant.running).list_share_access(share.id) == [("fd00::/64", "rw")]


async def test_rules_of_a_share_are_changed_by_several_clients_at_once(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    share = await a_file_share(tenant, subnet)
    old = [await an_access_rule(tenant, share, f"10.1.0.{number}") for number in range(3)]
    path = tenant.path(NOUN, share.id, "access_rule")

    answers = await asyncio.gather(
        *(tenant.api.post(path, json={"ip_address": f"10.0.0.{n}", "access_mode": "rw"}) for n in range(4)),
        *(tenant.api.delete(f"{path}/{rule.id}") for rule in old),
    )

    assert [answer.status_code for answer in answers] == [200] * 4 + [204] * 3
    expected = [(f"10.0.0.{number}", "rw") for number in range(4)]
    assert sorted(rule[:2] for rule in await list_rules(tenant, share.id)) == expected
    assert await driver_of(tenant.running).list_share_access(share.id) == expected


async def test_a_vast_share_and_a_locked_share_take_no_rules(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    locked = await a_file_share(tenant, subnet, task_id=MISSING)
    body = {"ip_address": "10.0.0.7", "access_mode": "ro"}

    answers = [
        await tenant.api.post(tenant.path(NOUN, share.id, "access_rule"), json=body)
        for share in (await a_file_share(tenant), locked)
    ]

    assert [answer.status_code for answer in answers] == [400, 409]


async def test_quotas_limit_shares_and_their_size(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, sfs_count=2, sfs_size=12)
    share = await a_file_share(tenant)

    answers = [
        await tenant.api.post(tenant.path(NOUN), json=vast(size=3)),
        await tenant.api.post(tenant.path(NOUN, share.id, "extend"), json={"size": 13}),
        await tenant.api.post(tenant.path(NOUN, "check_limits"), json={"size": 3}),
        await tenant.api.post(tenant.path(NOUN, "check_limits"), json={"size": 2}),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 200, 200]
    assert answers[2].json() == {"sfs_size_limit": 12, "sfs_size_requested": 3, "sfs_size_usage": 10}
    assert answers[3].json() == {}


async def test_usage_and_costs_of_a_share_are_reported(tenant: Tenant) -> None:
    share = await a_file_share(tenant, created_at=tenant.running.app_state.now() - 3_600_000_000)
    await tenant.wait_until_finished(await tenant.api.post(tenant.path(NOUN, share.id, "extend"), json={"size": 20}))
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path(NOUN, share.id)))
    now = datetime.fromtimestamp(tenant.running.app_state.now() / 1e6, UTC)
    days = [(now + timedelta(days=number)).isoformat() for number in (-1, 1)]
    period = dict(zip(("time_from", "time_to"), days, strict=True))

    report = (await tenant.api.post("/cloud/v1/cost_report/resources", json={**period, "types": ["file_share"]})).json()

    (line,) = [item for item in report["results"] if item["uuid"] == share.id]
    assert (line["type"], line["file_share_type"], line["billing_value_unit"]) == ("file_share", "vast", "gbminutes")
    assert (line["last_name"], line["last_size"], line["size_unit"]) == ("data", 20, "GiB")
    assert line["billing_value"] >= 599
    assert line["cost"] > 0


async def test_a_price_is_previewed(tenant: Tenant) -> None:
    path = f"/cloud/v1/pricing/{tenant.place_path}/file_shares"
    answers = [
        (await tenant.api.post(path, json={"source": "new-file-share", "size": 100, **kind})).json()
        for kind in ({}, {"type_name": "vast"})
    ]
    unknown = await tenant.api.post(path, json={"source": "new-file-share", "size": 1, "type_name": "ddn"})

    assert [answer["price_per_month"] for answer in answers] == [12.0, 18.0]
    assert unknown.status_code == 400


async def test_a_region_without_file_shares_refuses_them(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    (region,) = tenant.running.app_state.catalogue.regions
    monkeypatch.setattr(tenant.running.app_state, "catalogue", with_region(tenant, replace(region, has_sfs=False)))

    assert list(await refuse(tenant, vast())) == ["type_name"]


def with_region(tenant: Tenant, region: Region) -> Any:
    return replace(tenant.running.app_state.catalogue, regions=[region])


async def test_changes_are_in_the_audit_log(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    share = await a_file_share(tenant, subnet)
    path = tenant.path(NOUN, share.id)
    rule = (await tenant.api.post(f"{path}/access_rule", json={"ip_address": "10.0.0.7", "access_mode": "ro"})).json()
    await tenant.api.delete(f"{path}/access_rule/{rule['id']}")
    await tenant.api.patch(path, json={"name": "other"})
    await tenant.wait_until_finished(await tenant.api.post(f"{path}/extend", json={"size": 20}))
    await tenant.wait_until_finished(await tenant.api.delete(path))

    actions = await list_user_actions(tenant)

    assert {action.api_group for action in actions} == {"file_shares"}
    assert sorted(action.action_type for action in actions) == [
        "create_access_rule", "delete", "delete_access_rule", "resize", "update",
    ]  # fmt: skip
