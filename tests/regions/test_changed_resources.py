"""Resources that somebody has changed outside of the program: which are set again, and when."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from pileus.app import RunningCloud, run_cloud
from pileus.drivers.protocols.network import FloatingIPSpec, NicSpec, SecurityGroupSpec
from pileus.tasks import changed_resources
from pileus.tasks.changed_resources import ChangedResources
from pileus.tasks.resource_repairs import ResourceRepairs
from tests.app_settings import checked_settings
from tests.orders import an_order
from tests.tenants import REGION, Tenant, new_tenant


class Comparison:
    """What a driver has: all as it should be, but what a test says."""

    def __init__(self) -> None:
        self.changed: set[str] = set()
        self.groups: list[SecurityGroupSpec] = []
        self.interfaces: dict[str, tuple[str, NicSpec]] = {}

    async def list_changed_security_groups(self, groups: Sequence[SecurityGroupSpec]) -> set[str]:
        """Return the groups that a test has changed."""
        self.groups += groups
        return self.changed & {group.id for group in groups}

    async def list_changed_interfaces(self, interfaces: Mapping[str, tuple[str, NicSpec]]) -> set[str]:
        """Return the ports that a test has changed."""
        self.interfaces = dict(interfaces)
        return self.changed & interfaces.keys()

    async def list_changed_floating_ips(self, floating_ips: Sequence[FloatingIPSpec]) -> set[str]:
        """Return the floating IPs that a test has changed."""
        return self.changed & {floating_ip.id for floating_ip in floating_ips}


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Tenant]:
    """A tenant of a cloud with the simulated driver."""
    async with run_cloud(checked_settings(data=tmp_path / "data")) as running, new_tenant(running) as tenant:
        yield tenant


@pytest.fixture
def driver() -> Comparison:
    """The driver that compares."""
    return Comparison()


@pytest.fixture
def search(owner: Tenant, driver: Comparison) -> ChangedResources:
    """What looks for changed resources."""
    return new_search(owner.running, driver)


def new_search(cloud: RunningCloud, driver: Comparison) -> ChangedResources:
    """Return what looks for changed resources."""
    state = cloud.app_state
    repairs = ResourceRepairs(state.db, state.clock, state.new_ordered_id, state.wake_engine)
    return ChangedResources(state.db, driver, repairs, [REGION])


async def create_group(owner: Tenant) -> str:
    """Create a security group with a rule."""
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    body = {"security_group": {"name": "web", "security_group_rules": [rule]}}
    return str((await owner.api.post(owner.path("securitygroups"), json=body)).json()["id"])


async def create_port(owner: Tenant) -> tuple[str, str]:
    """Create an instance; return it and its port."""
    answer = await owner.api.post(owner.path("instances", version=2), json=an_order())
    (instance_id,) = (await owner.wait_until_finished(answer))["created_resources"]["instances"]
    path = owner.path("instances", instance_id, "interfaces")
    return instance_id, (await owner.api.get(path)).json()["results"][0]["port_id"]


async def list_started_tasks(owner: Tenant) -> list[str]:
    """Wait for the tasks that no request has started; return their types."""
    async with owner.running.app_state.db.read() as tx:
        rows = await tx.all("SELECT id, task_type FROM tasks WHERE user_id = 0 ORDER BY id")
    assert {(await owner.wait_for_task(task_id))["state"] for task_id, _ in rows} <= {"FINISHED"}
    return [task_type for _, task_type in rows]


async def test_what_differs_in_two_runs_is_set_again(
    owner: Tenant, driver: Comparison, search: ChangedResources
) -> None:
    group_id = await create_group(owner)
    _, port_id = await create_port(owner)
    driver.changed = {group_id, port_id}

    await search.check_next_pages()
    first = await list_started_tasks(owner)
    await search.check_next_pages()

    assert first == []
    assert await list_started_tasks(owner) == ["update_security_group", "update_port"]
    (rules,) = {tuple(group.rules) for group in driver.groups if group.id == group_id}
    assert [(rule.protocol, rule.port_range_min) for rule in rules] == [("tcp", 22)]


async def test_what_differs_once_is_left_alone(owner: Tenant, driver: Comparison, search: ChangedResources) -> None:
    group_id = await create_group(owner)

    for changed in ({group_id}, set[str](), {group_id}):
        driver.changed = changed
        await search.check_next_pages()

    assert await list_started_tasks(owner) == []


async def test_what_stays_different_is_set_again_at_growing_intervals(
    owner: Tenant, driver: Comparison, search: ChangedResources
) -> None:
    driver.changed = {await create_group(owner)}

    for _ in range(4):
        await search.check_next_pages()

    assert await list_started_tasks(owner) == ["update_security_group"]


async def test_a_default_group_is_compared(owner: Tenant, driver: Comparison, search: ChangedResources) -> None:
    (group,) = (await owner.api.get(owner.path("securitygroups"))).json()["results"]
    driver.changed = {group["id"]}

    for _ in range(2):
        await search.check_next_pages()

    assert await list_started_tasks(owner) == ["update_security_group"]


async def test_interfaces_of_instances_that_have_failed_are_not_compared(
    owner: Tenant, driver: Comparison, search: ChangedResources
) -> None:
    instance_id, port_id = await create_port(owner)
    await search.check_next_pages()
    assert driver.interfaces.keys() == {port_id}

    driver.interfaces = {}
    await owner.api.put(f"/_pileus/machines/{instance_id}", json={"status": "ERROR"})
    await search.check_next_pages()

    assert driver.interfaces == {}


async def test_records_are_compared_page_by_page(
    owner: Tenant, driver: Comparison, search: ChangedResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed_resources, "PAGE_SIZE", 2)
    group_ids = {await create_group(owner) for _ in range(3)}
    driver.changed = group_ids

    for _ in range(4):
        await search.check_next_pages()

    assert {group.id for group in driver.groups} >= group_ids
    assert await list_started_tasks(owner) == ["update_security_group"] * 3
