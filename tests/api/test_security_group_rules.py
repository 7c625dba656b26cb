"""Rules of security groups: the rules of new groups, what no rule may open, and how single rules are shown."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from pileus.domain.network.security_group_policies import RuleTemplate, SecurityGroupPolicy
from tests.builders import a_rule, a_security_group
from tests.networks import get_view
from tests.tasks.security_group_scenarios import PING, SSH
from tests.tenants import Tenant

PORT_25_IS_PROHIBITED = "Opening egress port 25 for TCP or UDP traffic is prohibited. Please, contact support."
ICMP_NEEDS_IPV4 = "Protocol icmp is prohibited for ethertype IPv6. You should specify ipv6-icmp for ethertype: IPv6"
OPENING_PORT_25: list[dict[str, Any]] = [
    {"protocol": "any"},
    {"protocol": None},
    {},
    {"protocol": "tcp"},
    {"protocol": "udp", "ethertype": "IPv6"},
    {"protocol": "tcp", "port_range_min": 25, "port_range_max": 25},
    {"protocol": "udp", "port_range_min": 1, "port_range_max": 100},
    {"protocol": "tcp", "port_range_min": 25, "port_range_max": 25, "remote_ip_prefix": "10.0.0.0/8"},
]
ADD_RULE: dict[str, tuple[str, str, int, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "create group": ("POST", "security_groups", 2, lambda rule: {"name": "fresh", "rules": [rule]}),
    "create group v1": (
        "POST", "securitygroups", 1, lambda rule: {"security_group": {"name": "fresh", "security_group_rules": [rule]}},
    ),
    "create rule": ("POST", "security_groups/{group}/rules", 2, lambda rule: rule),
    "create rule v1": ("POST", "securitygroups/{group}/rules", 1, lambda rule: rule),
    "change rules v1": (
        "PATCH", "securitygroups/{group}", 1, lambda rule: {"changed_rules": [{"action": "create", **rule}]},
    ),
    "update group": ("PATCH", "security_groups/{group}", 2, lambda rule: {"rules": [rule]}),
    "replace rule v1": ("PUT", "securitygrouprules/{rule}", 1, lambda rule: rule),
}  # fmt: skip
"""Method, noun with ids, version and body of every request that can add a rule."""
EVERY_WAY = pytest.mark.parametrize("way", ADD_RULE)


async def add_rule(tenant: Tenant, way: str, rule: dict[str, Any]) -> httpx.Response:
    """Send a request that adds a rule, to a group that has one."""
    group = await a_security_group(tenant)
    existing = await a_rule(tenant, group)
    method, noun, version, make_body = ADD_RULE[way]
    path = tenant.path(*noun.format(group=group.id, rule=existing.id).split("/"), version=version)
    extra = {"security_group_id": group.id} if method == "PUT" else {}
    return await tenant.api.request(method, path, json=make_body({**rule, **extra}))


async def create_group(tenant: Tenant, **body: Any) -> dict[str, Any]:
    """Create a security group and wait for its task."""
    answer = await tenant.api.post(tenant.path("security_groups", version=2), json={"name": "fresh", **body})
    task = await tenant.wait_until_finished(answer)
    return await get_view(tenant, "securitygroups", task["created_resources"]["security_groups"][0])


@pytest.mark.parametrize("rule", OPENING_PORT_25, ids=str)
@EVERY_WAY
async def test_egress_rules_that_open_port_25_are_refused(tenant: Tenant, rule: dict[str, Any], way: str) -> None:
    answer = await add_rule(tenant, way, {"direction": "egress", **rule})

    error = answer.json()
    assert (answer.status_code, error["exception_class"]) == (400, "ValidationError"), answer.text
    assert error["message"] == PORT_25_IS_PROHIBITED
    groups = (await tenant.api.get(tenant.path("securitygroups"))).json()["results"]
    assert {group["name"]: len(group["security_group_rules"]) for group in groups} == {"default": 45, "web": 1}


@EVERY_WAY
async def test_icmp_rules_for_ipv6_are_refused(tenant: Tenant, way: str) -> None:
    answer = await add_rule(tenant, way, {"direction": "ingress", "ethertype": "IPv6", "protocol": "icmp"})

    assert (answer.status_code, answer.json()["message"]) == (400, ICMP_NEEDS_IPV4)


@pytest.mark.parametrize(
    "rule",
    [
        {"direction": "ingress", "protocol": "any"},
        {"direction": "ingress", "protocol": "tcp", "port_range_min": 25, "port_range_max": 25},
        {"direction": "ingress", "protocol": "tcp", "port_range_min": 8000, "port_range_max": 8080},
        {"direction": "ingress", "protocol": "udp", "port_range_min": 53, "port_range_max": 53, "ethertype": "IPv6"},
        {"direction": "ingress", "protocol": "icmp"},
        {"direction": "ingress", "protocol": "sctp"},
        {"direction": "egress", "protocol": "tcp", "port_range_min": 26, "port_range_max": 65535},
        {"direction": "egress", "protocol": "udp", "port_range_min": 0, "port_range_max": 24},
        {"direction": "egress", "protocol": "sctp", "port_range_min": 25, "port_range_max": 25},
        {"direction": "egress", "protocol": "icmp"},
        {"direction": "egress", "protocol": "ipv6-icmp", "ethertype": "IPv6"},
    ],
    ids=str,
)
@EVERY_WAY
async def test_other_rules_are_accepted(tenant: Tenant, rule: dict[str, Any], way: str) -> None:
    assert (await add_rule(tenant, way, rule)).status_code == 200


async def test_rules_of_an_earlier_version_stay_and_are_not_copied(tenant: Tenant) -> None:
    group = await a_security_group(tenant)
    await a_rule(tenant, group, direction="egress", protocol=None, port_range_min=None, port_range_max=None)
    path = tenant.path("security_groups", group.id, version=2)

    both = {"rules": [{"direction": "egress"}, PING]}
    await tenant.wait_until_finished(await tenant.api.patch(path, json=both))
    copy = await tenant.api.post(tenant.path("securitygroups", group.id, "copy"), json={"name": "copy"})

    view = await get_view(tenant, "securitygroups", group.id)
    assert sorted(rule["direction"] for rule in view["security_group_rules"]) == ["egress", "ingress"]
    assert (copy.status_code, copy.json()["message"]) == (400, PORT_25_IS_PROHIBITED)


async def test_a_group_without_rules_gets_the_recorded_ones(tenant: Tenant) -> None:
    view = await create_group(tenant)

    rules = view["security_group_rules"]
    both = ["ah", "dccp", "egp", "esp", "gre", "igmp", "ospf", "pgm", "rsvp", "sctp", "udplite", "vrrp"]
    ipv6 = ["ipv6-encap", "ipv6-frag", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route"]
    protocols = {
        ethertype: Counter(rule["protocol"] for rule in rules if rule["ethertype"] == ethertype)
        for ethertype in ("IPv4", "IPv6")
    }
    assert protocols["IPv4"] == Counter([*both, "icmp"]) + Counter(tcp=2, udp=2)
    assert protocols["IPv6"] == Counter([*both, *ipv6]) + Counter(tcp=2, udp=2)
    assert {(rule["direction"], rule["description"], rule["revision_number"]) for rule in rules} == {("egress", "", 0)}
    assert {
        (rule["protocol"], rule["port_range_min"], rule["port_range_max"]) for rule in rules if rule["port_range_min"]
    } == {(protocol, *ports) for protocol in ("tcp", "udp") for ports in ((1, 24), (26, 65535))}


async def test_the_task_of_a_group_without_rules_lists_the_rules_of_the_group(tenant: Tenant) -> None:
    answer = await tenant.api.post(tenant.path("security_groups", version=2), json={"name": "fresh"})
    task = await tenant.wait_until_finished(answer)

    view = await get_view(tenant, "securitygroups", task["data"]["group_id"])
    assert len(task["data"]["rules"]) == len(view["security_group_rules"]) == 39


async def test_a_rule_without_a_description_has_an_empty_one(tenant: Tenant) -> None:
    group, other = await a_security_group(tenant), await a_security_group(tenant, "other")
    rule = {"direction": "ingress", "protocol": "tcp", "remote_group_id": other.id}

    answer = await tenant.api.post(tenant.path("security_groups", group.id, "rules", version=2), json=rule)
    await tenant.wait_until_finished(answer)

    (view,) = (await get_view(tenant, "securitygroups", group.id))["security_group_rules"]
    assert (view["description"], view["revision_number"], view["remote_group_id"]) == ("", 0, other.id)


async def test_each_change_of_a_group_adds_one_to_its_revision(tenant: Tenant) -> None:
    view = await create_group(tenant, rules=[])
    path = tenant.path("security_groups", view["id"], version=2)

    async def revision_after(answer: httpx.Response) -> int:
        await tenant.wait_until_finished(answer)
        return int((await get_view(tenant, "securitygroups", view["id"]))["revision_number"])

    revisions = [
        view["revision_number"],
        await revision_after(await tenant.api.post(f"{path}/rules", json=SSH)),
        await revision_after(await tenant.api.patch(path, json={"name": "other", "rules": [PING]})),
        await revision_after(await tenant.api.patch(path, json={"tags": {"a": "b"}})),
    ]

    assert revisions == [2, 3, 4, 5]


async def test_tasks_name_what_they_have_created(tenant: Tenant) -> None:
    answer = await tenant.api.post(tenant.path("security_groups", version=2), json={"name": "web", "rules": [SSH]})
    created = (await tenant.wait_until_finished(answer))["created_resources"]
    (group_id,) = created["security_groups"]
    path = tenant.path("security_groups", group_id, version=2)

    updated = await tenant.wait_until_finished(await tenant.api.patch(path, json={"name": "other"}))
    with_rule = await tenant.wait_until_finished(await tenant.api.post(f"{path}/rules", json=PING))
    (rule_id,) = with_rule["created_resources"]["security_group_rules"]
    deleted = await tenant.wait_until_finished(await tenant.api.delete(f"{path}/rules/{rule_id}"))

    assert created["security_group_rules"] == []
    assert (updated["task_type"], updated["created_resources"]["security_groups"]) == (
        "update_security_group", [group_id],
    )  # fmt: skip
    assert with_rule["created_resources"]["security_groups"] == []
    assert deleted["created_resources"] is None
    assert deleted["data"] == {"group_id": group_id, "security_group_id": group_id, "security_group_rule_id": rule_id}


async def test_the_operator_decides_on_ports_and_default_rules(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = SecurityGroupPolicy(prohibited_egress_ports=[], default_egress_rules=[RuleTemplate()])
    catalogue = replace(tenant.running.app_state.catalogue, security_groups=policy)
    monkeypatch.setattr(tenant.running.app_state, "catalogue", catalogue)

    view = await create_group(tenant)
    (default,) = (await tenant.api.get(tenant.path("securitygroups"), params={"name": "default"})).json()["results"]
    mail = {"direction": "egress", "protocol": "tcp", "port_range_min": 25, "port_range_max": 25}

    assert [(rule["direction"], rule["protocol"]) for rule in view["security_group_rules"]] == [("egress", None)] * 2
    assert len(default["security_group_rules"]) == 6 + 2
    assert len((await create_group(tenant, rules=[mail]))["security_group_rules"]) == 1


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"name": None}, {"name": ["Input should be a valid string"]}),
        ({"name": None, "tags": {"a": "b"}}, {"name": ["Input should be a valid string"]}),
    ],
    ids=str,
)
@pytest.mark.parametrize(("noun", "version"), [("securitygroups", 1), ("security_groups", 2)])
async def test_a_group_cannot_lose_its_name(
    tenant: Tenant, body: dict[str, Any], errors: dict[str, Any], noun: str, version: int
) -> None:
    group = await a_security_group(tenant)

    answer = await tenant.api.patch(tenant.path(noun, group.id, version=version), json=body)

    error = answer.json()
    assert (answer.status_code, error["message"]) == (400, f"Validation Error: {errors}")
    assert error["invalid_fields"] == errors


async def test_a_list_of_rules_in_an_update_of_version_1_is_ignored(tenant: Tenant) -> None:
    group = await a_security_group(tenant)
    rule = await a_rule(tenant, group)

    answer = await tenant.api.patch(tenant.path("securitygroups", group.id), json={"security_group_rules": []})

    assert answer.status_code == 200
    assert [view["id"] for view in answer.json()["security_group_rules"]] == [rule.id]


@pytest.mark.parametrize(
    ("noun", "version", "field", "error"),
    [
        ("security_groups", 2, "description", "Input should be a valid string"),
        ("security_groups", 2, "rules", "Input should be a valid list"),
        ("securitygroups", 1, "changed_rules", "Input should be a valid list"),
    ],
)
async def test_only_tags_of_a_patch_can_be_null(
    tenant: Tenant, noun: str, version: int, field: str, error: str
) -> None:
    group = await a_security_group(tenant)
    path = tenant.path(noun, group.id, version=version)

    answer = await tenant.api.patch(path, json={field: None})

    assert (answer.status_code, answer.json()["invalid_fields"]) == (400, {field: [error]})
    assert (await tenant.api.patch(path, json={"tags": None})).status_code == 200


async def test_a_rule_is_replaced_in_its_own_group(tenant: Tenant) -> None:
    group, other = await a_security_group(tenant), await a_security_group(tenant, "other")
    rule = await a_rule(tenant, group)
    path = tenant.path("securitygrouprules", rule.id)

    in_another = await tenant.api.put(path, json={**SSH, "security_group_id": other.id})
    replaced = await tenant.api.put(path, json={**PING, "security_group_id": group.id})

    assert in_another.status_code == 404
    assert (replaced.status_code, replaced.json()["revision_number"]) == (200, 0)
    assert replaced.json()["id"] != rule.id
    (remaining,) = (await get_view(tenant, "securitygroups", group.id))["security_group_rules"]
    assert remaining == replaced.json()


async def test_the_official_sdk_replaces_a_rule_without_naming_its_group(tenant: Tenant) -> None:
    group = await a_security_group(tenant)
    rule = await a_rule(tenant, group)

    with pytest.warns(DeprecationWarning, match="deprecated"):
        replaced = await tenant.sdk.cloud.security_groups.rules.replace(
            rule.id, project_id=tenant.project_id, region_id=1, direction="ingress", protocol="tcp"
        )

    (remaining,) = (await get_view(tenant, "securitygroups", group.id))["security_group_rules"]
    assert (remaining["id"], remaining["protocol"]) == (replaced.id, "tcp")
    missing = await tenant.api.put(tenant.path("securitygrouprules", rule.id), json=SSH)
    assert missing.status_code == 404
