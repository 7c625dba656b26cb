"""Rules of one security group that are created and deleted at the same time."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from gcore import AsyncGcore
from gcore.types.cloud import TaskIDList

from pileus.domain.faults import FaultKind
from pileus.store import faults
from tests.builders import a_rule, a_security_group, inject_fault
from tests.networks import get_view
from tests.servers import KEY, run_server
from tests.tasks.security_group_scenarios import PING, SSH
from tests.tenants import Tenant

UNKNOWN = "00000000-0000-4000-8000-000000000000"
PORTS = (80, 443, 8080)


async def test_the_official_sdk_creates_and_deletes_three_rules_at_once_in_realistic_time(tmp_path: Path) -> None:
    async def finish(answers: list[TaskIDList]) -> None:
        task_ids = [task_id for answer in answers for task_id in answer.tasks]
        await asyncio.gather(*(cloud.tasks.poll(task_id, polling_interval_seconds=0) for task_id in task_ids))

    with run_server(tmp_path / "data", "--simulated-time", "realistic") as server:
        async with AsyncGcore(base_url=server.url, api_key=KEY, cloud_project_id=1, cloud_region_id=1) as sdk:
            cloud = sdk.cloud
            group = await cloud.security_groups.create_and_poll(name="web", rules=[], polling_interval_seconds=0)
            rules: Any = cloud.security_groups.rules
            await finish(
                await asyncio.gather(
                    *(
                        rules.create(
                            group.id, direction="ingress", protocol="tcp", port_range_min=port, port_range_max=port
                        )
                        for port in PORTS
                    )
                )
            )
            created = (await cloud.security_groups.get(group.id)).security_group_rules or []
            await finish(await asyncio.gather(*(rules.delete(rule.id, group_id=group.id) for rule in created)))
            remaining = (await cloud.security_groups.get(group.id)).security_group_rules

    assert sorted(rule.port_range_min or 0 for rule in created) == sorted(PORTS)
    assert remaining == []


@pytest.mark.parametrize("lock", ["create_security_group_rule", "update_security_group"])
async def test_a_request_on_a_rule_waits_for_the_lock_of_its_group(tenant: Tenant, lock: str) -> None:
    group = await a_security_group(tenant)
    rule = await a_rule(tenant, group)
    path = tenant.path("security_groups", group.id, version=2)
    await inject_fault(tenant, FaultKind.HOLD, lock)
    if lock == "update_security_group":
        await tenant.api.patch(path, json={"name": "other"})
    else:
        await tenant.api.post(f"{path}/rules", json={**SSH, "port_range_max": 23})

    waiting = [
        asyncio.create_task(tenant.api.post(tenant.path("securitygroups", group.id, "rules"), json=PING)),
        asyncio.create_task(tenant.api.delete(tenant.path("securitygrouprules", rule.id))),
        asyncio.create_task(tenant.api.delete(f"{path}/rules/{UNKNOWN}")),
    ]
    finished, _ = await asyncio.wait(waiting, timeout=0.05)
    await tenant.running.app_state.db.write(faults.remove_all)
    answers = await asyncio.gather(*waiting)

    assert finished == set()
    assert [answer.status_code for answer in answers] == [200, 204, 404]
    view = await get_view(tenant, "securitygroups", group.id)
    assert "icmp" in {rule["protocol"] for rule in view["security_group_rules"]}


async def test_a_lock_that_lasts_is_a_conflict(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    group = await a_security_group(tenant)
    rule = await a_rule(tenant, group)
    path = tenant.path("security_groups", group.id, "rules", version=2)
    await inject_fault(tenant, FaultKind.HOLD, "create_security_group_rule")
    creating = await tenant.api.post(path, json=PING)
    monkeypatch.setattr(tenant.running.app_state, "patience", 0.01)

    answers = [
        await tenant.api.post(path, json={**SSH, "port_range_max": 23}),
        await tenant.api.delete(f"{path}/{rule.id}"),
        await tenant.api.post(tenant.path("securitygroups", group.id, "rules"), json=PING),
        await tenant.api.put(tenant.path("securitygrouprules", rule.id), json={**PING, "security_group_id": group.id}),
        await tenant.api.delete(tenant.path("securitygrouprules", rule.id)),
    ]

    assert [answer.status_code for answer in answers] == [409] * 5
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(creating)


async def test_a_rule_names_no_remote_group_whose_creation_can_still_fail(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, groups = await a_security_group(tenant), tenant.path("security_groups", version=2)
    await inject_fault(tenant, FaultKind.HOLD, "create_security_group")
    creating = await tenant.api.post(groups, json={"name": "remote", "rules": []})
    task = (await tenant.api.get(f"/cloud/v1/tasks/{creating.json()['tasks'][0]}")).json()
    rule = {**PING, "remote_group_id": task["data"]["group_id"]}
    monkeypatch.setattr(tenant.running.app_state, "patience", 0.01)

    answers = [
        await tenant.api.post(tenant.path("security_groups", group.id, "rules", version=2), json=rule),
        await tenant.api.post(groups, json={"name": "other", "rules": [rule]}),
    ]

    assert [answer.status_code for answer in answers] == [409] * 2
    await tenant.running.app_state.db.write(faults.remove_all)
    await tenant.wait_until_finished(creating)
    later = await tenant.api.post(tenant.path("security_groups", group.id, "rules", version=2), json=rule)
    await tenant.wait_until_finished(later)


async def test_a_rule_stays_while_its_remote_group_is_changed(tenant: Tenant) -> None:
    group, remote = await a_security_group(tenant), await a_security_group(tenant, "remote")
    await a_rule(tenant, group, remote_group_id=remote.id)
    await inject_fault(tenant, FaultKind.HOLD, "update_security_group")
    await tenant.api.patch(tenant.path("security_groups", remote.id, version=2), json={"name": "renamed"})

    answer = await tenant.api.post(tenant.path("security_groups", group.id, "rules", version=2), json=PING)

    assert answer.status_code == 200, answer.text
    await tenant.running.app_state.db.write(faults.remove_all)
