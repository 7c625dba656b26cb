"""Placement groups: created, listed with their members, and deleted without them."""

import asyncio
from typing import Any

import pytest

from tests.builders import a_placement_group, an_instance
from tests.storage import set_quotas
from tests.tenants import REGION, Tenant

NOUN = "servergroups"


@pytest.mark.parametrize("policy", ["affinity", "anti-affinity", "soft-anti-affinity"])
async def test_a_group_is_created_and_shows_its_members(tenant: Tenant, policy: str) -> None:
    answer = await tenant.api.post(tenant.path(NOUN), json={"name": "apart", "policy": policy})
    created = answer.json()
    instance = await an_instance(tenant, name="member", placement_group_id=created["servergroup_id"])

    view = (await tenant.api.get(tenant.path(NOUN, created["servergroup_id"]))).json()

    assert (answer.status_code, created["instances"]) == (200, [])
    assert view == {**created, "instances": [{"instance_id": instance.id, "instance_name": "member"}]}
    assert (view["policy"], view["project_id"], view["region_id"]) == (policy, tenant.project_id, REGION)


@pytest.mark.parametrize("body", [{"name": "x", "policy": "affinity"}, {"name": "apart", "policy": "far"}, {}])
async def test_an_invalid_group_is_refused(tenant: Tenant, body: dict[str, Any]) -> None:
    answer = await tenant.api.post(tenant.path(NOUN), json=body)

    assert (answer.status_code, answer.json()["exception_class"]) == (400, "ValidationError")


async def test_the_quota_limits_groups(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, servergroup_count=1)
    body = {"name": "apart", "policy": "affinity"}

    answers = await asyncio.gather(*(tenant.api.post(tenant.path(NOUN), json=body) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]


async def test_members_stay_when_their_group_is_deleted(tenant: Tenant) -> None:
    group = await a_placement_group(tenant)
    instance = await an_instance(tenant, placement_group_id=group.id)

    task = await tenant.wait_until_finished(await tenant.api.delete(tenant.path(NOUN, group.id)))

    assert (task["task_type"], task["data"]["servergroup_id"]) == ("delete_servergroup", group.id)
    assert (await tenant.api.get(tenant.path(NOUN, group.id))).status_code == 404
    refused = await tenant.api.post(tenant.path("instances", instance.id, "remove_from_servergroup"))
    assert refused.status_code == 404


async def test_the_official_sdk_creates_lists_and_deletes_groups(tenant: Tenant, stranger: Tenant) -> None:
    await a_placement_group(stranger)
    groups = tenant.sdk.cloud.placement_groups
    scope: Any = {"project_id": tenant.project_id, "region_id": REGION}

    created = await groups.create(name="together", policy="affinity", **scope)
    view = await groups.get(group_id=created.servergroup_id, **scope)

    assert (view.name, [group.name for group in (await groups.list(**scope)).results]) == ("together", ["together"])
    await groups.delete(group_id=created.servergroup_id, **scope)
