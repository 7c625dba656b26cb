"""Security groups: create, change, copy, revert and delete them, and what the driver gets."""

import asyncio
from typing import Any

import pytest

from pileus.domain.faults import FaultKind
from pileus.store import faults
from tests.builders import a_rule, a_security_group, an_instance, driver_of, inject_fault, list_ports
from tests.networks import get_view
from tests.storage import set_quotas
from tests.tasks.security_group_scenarios import PING, SSH
from tests.tenants import REGION, Tenant

ANY_INGRESS = {"direction": "ingress", "protocol": "any"}
OLDER, NEWER = "securitygroups", "security_groups"


async def create_group(tenant: Tenant, **body: Any) -> dict[str, Any]:
    """Create a security group and wait for its task."""
    answer = await tenant.api.post(tenant.path(NEWER, version=2), json={"name": "fresh", **body})
    task = await tenant.wait_until_finished(answer)
    return await get_view(tenant, OLDER, task["created_resources"]["security_groups"][0])


async def driver_rules(tenant: Tenant, group_id: str) -> list[tuple[str, str | None]]:
    """Direction and protocol of the rules that the driver knows."""
    group = await driver_of(tenant.running).find_security_group(group_id)
    assert group is not None
    return sorted((rule.direction, rule.protocol) for rule in group.rules)


def rules(view: dict[str, Any]) -> list[tuple[str, str | None]]:
    return sorted((rule["direction"], rule["protocol"]) for rule in view["security_group_rules"])


async def test_a_group_is_created_with_its_rules_in_the_driver(tenant: Tenant) -> None:
    view = await create_group(tenant, description="for web", rules=[SSH, PING], tags={"a": "b"})

    assert (view["name"], view["description"], view["tags_v2"][0]["key"]) == ("fresh", "for web", "a")
    assert rules(view) == await driver_rules(tenant, view["id"]) == [("ingress", "icmp"), ("ingress", "tcp")]
    assert view["created_at"][-5:] == "+0000"


async def test_default_rules_allow_egress_and_an_empty_list_allows_nothing(tenant: Tenant) -> None:
    usual, closed = await create_group(tenant), await create_group(tenant, rules=[])

    assert (len(rules(usual)), rules(closed)) == (39, [])
    assert {rule["direction"] for rule in usual["security_group_rules"]} == {"egress"}
    assert await driver_rules(tenant, usual["id"]) == rules(usual)
    assert closed["revision_number"] == 2


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"port_range_min": 22, "port_range_max": 22}, "port_range_min"),
        ({"protocol": "tcp", "port_range_min": 23, "port_range_max": 22}, "port_range_min"),
        ({"protocol": "tcp", "port_range_min": 22}, "port_range_min"),
        ({"protocol": "icmp", "port_range_min": 300}, "port_range_min"),
        ({"remote_ip_prefix": "10.0.0.1/8"}, "remote_ip_prefix"),
        ({"remote_ip_prefix": "fd00::/8"}, "remote_ip_prefix"),
        ({"protocol": "http"}, "protocol"),
        ({"direction": "up"}, "direction"),
        ({"port_range_max": 70000}, "port_range_max"),
    ],
)
async def test_an_invalid_rule_is_refused_with_its_field(tenant: Tenant, rule: dict[str, Any], field: str) -> None:
    body = {"name": "fresh", "rules": [{"direction": "ingress", **rule}]}

    answer = await tenant.api.post(tenant.path(NEWER, version=2), json=body)

    assert (answer.status_code, field in str(answer.json()["invalid_fields"])) == (400, True), answer.text


async def test_rules_must_be_unique_and_refer_to_own_groups(tenant: Tenant, stranger: Tenant) -> None:
    theirs = await a_security_group(stranger)
    path = tenant.path(NEWER, version=2)

    twice = await tenant.api.post(path, json={"name": "fresh", "rules": [SSH, SSH]})
    foreign = await tenant.api.post(
        path, json={"name": "fresh", "rules": [{"direction": "ingress", "remote_group_id": theirs.id}]}
    )

    assert (twice.status_code, foreign.status_code) == (409, 404)


async def test_remaining_rules_keep_their_ids_in_an_update(tenant: Tenant) -> None:
    view = await create_group(tenant, rules=[SSH, PING])
    path = tenant.path(NEWER, view["id"], version=2)
    kept = {rule["protocol"]: rule["id"] for rule in view["security_group_rules"]}
    web = {"direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80}

    task = await tenant.wait_until_finished(
        await tenant.api.patch(path, json={"name": "other", "rules": [PING, web], "tags": {"a": "b"}})
    )

    after = await get_view(tenant, OLDER, view["id"])
    assert (task["task_type"], after["name"], after["tags_v2"][0]["key"]) == ("update_security_group", "other", "a")
    assert kept["icmp"] in {rule["id"] for rule in after["security_group_rules"]}
    assert kept["tcp"] not in {rule["id"] for rule in after["security_group_rules"]}
    assert await driver_rules(tenant, view["id"]) == rules(after)
    for same in ({}, {"name": "other"}, {"rules": [web, PING]}, {"tags": {"a": "b"}}):
        assert (await tenant.api.patch(path, json=same)).json() == {"tasks": []}
    await tenant.wait_until_finished(await tenant.api.patch(path, json={"tags": None, "rules": []}))
    assert (await get_view(tenant, OLDER, view["id"]))["tags_v2"] == await driver_rules(tenant, view["id"]) == []


async def test_a_failed_update_changes_nothing(tenant: Tenant) -> None:
    view = await create_group(tenant, rules=[SSH])
    await inject_fault(tenant, FaultKind.FAIL, "update_security_group")

    answer = await tenant.api.patch(tenant.path(NEWER, view["id"], version=2), json={"rules": []})

    assert (await tenant.wait_for_task(answer.json()["tasks"][0]))["state"] == "ERROR"
    after = await get_view(tenant, OLDER, view["id"])
    assert (rules(after), await driver_rules(tenant, view["id"])) == (rules(view), rules(view))


async def test_a_locked_group_cannot_be_changed(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant.running.app_state, "patience", 0)
    view = await create_group(tenant)
    await inject_fault(tenant, FaultKind.HOLD, "update_security_group")
    path = tenant.path(NEWER, view["id"], version=2)

    answer = await tenant.api.patch(path, json={"rules": []})
    refused = [
        await tenant.api.patch(path, json={"name": "third"}),
        await tenant.api.post(f"{path}/rules", json=SSH),
        await tenant.api.delete(tenant.path(OLDER, view["id"])),
    ]

    message = f"Resource `{view['id']}` is already locked by another task. Please try again later."
    assert [(answer.status_code, answer.json()["message"]) for answer in refused] == [(409, message)] * 3
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(answer)


async def test_single_rules_are_created_and_deleted(tenant: Tenant) -> None:
    view = await create_group(tenant, rules=[])
    path = tenant.path(NEWER, view["id"], "rules", version=2)

    task = await tenant.wait_until_finished(await tenant.api.post(path, json=SSH))
    again = await tenant.api.post(path, json=SSH)
    (rule_id,) = task["created_resources"]["security_group_rules"]
    with_rule = await driver_rules(tenant, view["id"])
    deleted = await tenant.wait_until_finished(await tenant.api.delete(f"{path}/{rule_id}"))

    assert (task["task_type"], deleted["task_type"]) == ("create_security_group_rule", "delete_security_group_rule")
    assert (again.status_code, with_rule) == (409, [("ingress", "tcp")])
    assert (await tenant.api.delete(f"{path}/{rule_id}")).status_code == 404
    assert rules(await get_view(tenant, OLDER, view["id"])) == await driver_rules(tenant, view["id"]) == []


async def test_concurrently_added_rules_are_all_kept(tenant: Tenant) -> None:
    view = await create_group(tenant, rules=[])
    path = tenant.path(OLDER, view["id"], "rules")

    async def add(port: int) -> None:
        body = {**SSH, "port_range_min": port, "port_range_max": port}
        while (await tenant.api.post(path, json=body)).status_code == 409:  # noqa: ASYNC110  # as clients do
            await asyncio.sleep(0.01)

    await asyncio.gather(*(add(port) for port in range(1, 6)))

    first_ports = {
        rule["port_range_min"] for rule in (await get_view(tenant, OLDER, view["id"]))["security_group_rules"]
    }
    assert first_ports == set(range(1, 6))
    assert len(await driver_rules(tenant, view["id"])) == 5


async def test_version_1_creates_and_updates_groups(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    body = {"security_group": {"name": "web", "security_group_rules": [SSH]}, "instances": [instance.id]}

    view = (await tenant.api.post(tenant.path(OLDER), json=body)).json()
    (port,) = await list_ports(tenant, instance)
    nic = await driver_of(tenant.running).find_nic(port.id)
    assert nic is not None
    assert nic.groups == [view["id"]]
    (ssh,) = view["security_group_rules"]
    changes = [{"action": "create", **PING}, {"action": "delete", "security_group_rule_id": ssh["id"]}]
    path = tenant.path(OLDER, view["id"])
    patched = (await tenant.api.patch(path, json={"name": "web2", "changed_rules": changes})).json()
    assert (patched["name"], rules(patched)) == ("web2", [("ingress", "icmp")])
    (ping,) = patched["security_group_rules"]
    rule_path = tenant.path("securitygrouprules", ping["id"])
    replaced = (await tenant.api.put(rule_path, json={**ANY_INGRESS, "security_group_id": view["id"]})).json()
    assert (replaced["direction"], replaced["protocol"]) == ("ingress", None)
    dropped = await tenant.api.delete(tenant.path("securitygrouprules", replaced["id"]))
    assert (dropped.status_code, await driver_rules(tenant, view["id"])) == (204, [])


async def test_a_copy_has_the_same_rules_and_revert_restores_the_default_rules(tenant: Tenant) -> None:
    view = await create_group(tenant, description="first", rules=[SSH])
    path = tenant.path(OLDER, view["id"])

    copy = (await tenant.api.post(f"{path}/copy", json={"name": "second"})).json()
    reverted = (await tenant.api.post(f"{path}/revert")).json()

    assert (copy["name"], copy["description"], rules(copy)) == ("second", "first", [("ingress", "tcp")])
    assert rules(reverted) == await driver_rules(tenant, view["id"]) == rules(await create_group(tenant))


async def test_the_default_group_of_a_project_cannot_be_deleted(tenant: Tenant) -> None:
    (default,) = (await tenant.api.get(tenant.path(OLDER))).json()["results"]
    path = tenant.path(OLDER, default["id"])

    refused = await tenant.api.delete(path)
    await tenant.wait_until_finished(
        await tenant.api.patch(tenant.path(NEWER, default["id"], version=2), json={"rules": []})
    )
    reverted = (await tenant.api.post(f"{path}/revert")).json()

    assert (default["name"], refused.status_code) == ("default", 409)
    assert rules(reverted) == rules(default)
    assert len(rules(default)) == 39 + 6
    assert {rule["port_range_min"] for rule in default["security_group_rules"]} == {None, 1, 22, 26, 3389}


async def test_a_group_in_use_cannot_be_deleted(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    group, other = await a_security_group(tenant, "web", port), await a_security_group(tenant, "other")
    await a_rule(tenant, other, remote_group_id=group.id)
    path = tenant.path(OLDER, group.id)

    used = await tenant.api.delete(path)
    await tenant.api.post(tenant.path("instances", instance.id, "delsecuritygroup"), json={"name": "web"})
    referred_to = await tenant.api.delete(path)
    other_deleted = await tenant.api.delete(tenant.path(OLDER, other.id))
    deleted = await tenant.api.delete(path)

    assert (used.status_code, referred_to.status_code) == (409, 409)
    assert ("in use by 1 port" in used.text, "refers to it" in referred_to.text) == (True, True)
    assert (other_deleted.status_code, deleted.status_code) == (204, 204)
    assert await driver_of(tenant.running).find_security_group(group.id) is None


async def test_a_failed_deletion_is_a_conflict(tenant: Tenant) -> None:
    group = await a_security_group(tenant)
    await inject_fault(tenant, FaultKind.FAIL, "delete_security_group")

    answer = await tenant.api.delete(tenant.path(OLDER, group.id))

    assert (answer.status_code, "was not deleted" in answer.text) == (409, True)
    assert await driver_of(tenant.running).find_security_group(group.id) is not None


async def test_the_driver_gets_the_groups_of_an_instance(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    group = await a_security_group(tenant, "web")
    path = tenant.path("instances", instance.id)

    async def groups() -> list[str]:
        nic = await driver_of(tenant.running).find_nic(port.id)
        assert nic is not None
        return nic.groups

    await tenant.api.post(f"{path}/addsecuritygroup", json={"name": "web"})
    added = await groups()
    await tenant.api.post(tenant.path("ports", port.id, "disable_port_security"))
    nic = await driver_of(tenant.running).find_nic(port.id)

    assert added == [group.id]
    assert nic is not None
    assert (nic.groups, nic.secured) == ([], False)


async def test_lists_and_quotas(tenant: Tenant, stranger: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_security_group(stranger)
    for number in range(3):
        await create_group(tenant, name=f"group {number}", tags={"env": str(number)})

    async def names(**query: Any) -> list[str]:
        answer = (await tenant.api.get(tenant.path(OLDER), params=query)).json()
        return [view["name"] for view in answer["results"]]

    assert set(await names()) == {"default", "group 0", "group 1", "group 2"}
    assert await names(name="group 1") == ["group 1"]
    assert await names(tag_key_value='{"env": "2"}') == ["group 2"]
    assert len(await names(tag_key=["env"])) == 3
    set_quotas(tenant, monkeypatch, firewall_count=5)
    body = {"name": "more"}
    answers = await asyncio.gather(*(tenant.api.post(tenant.path(NEWER, version=2), json=body) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]


async def test_the_official_sdk_manages_security_groups(tenant: Tenant) -> None:
    groups = tenant.sdk.cloud.security_groups
    where: Any = {"project_id": tenant.project_id, "region_id": REGION}
    poll: Any = {**where, "polling_interval_seconds": 0}

    group = await groups.create_and_poll(name="web", rules=[{"direction": "ingress", "protocol": "tcp"}], **poll)
    renamed = await groups.update_and_poll(group_id=group.id, name="other", **poll)
    copy = await groups.copy(group_id=group.id, name="copy", **where)
    reverted = await groups.revert_to_default(group_id=copy.id, **where)
    listed = [group.name async for group in groups.list(**where)]
    await groups.delete(group_id=copy.id, **where)

    assert (renamed.name, len(reverted.security_group_rules or [])) == ("other", 39)
    assert set(listed) == {"default", "other", "copy"}
