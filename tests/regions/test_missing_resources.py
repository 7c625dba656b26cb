"""Resources that somebody has deleted outside of the program: which are made again, and when."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.app import RunningCloud, run_cloud
from pileus.drivers.protocols.inventory import InventoryKind
from pileus.store.database import Tx
from pileus.store.network import security_groups
from pileus.tasks import missing_resources
from pileus.tasks.clocks import CloudClock
from pileus.tasks.missing_resources import KINDS, MissingResources
from pileus.tasks.resource_repairs import ResourceRepairs
from tests.app_settings import checked_settings
from tests.tenants import REGION, Tenant, new_tenant

SECOND = 1_000_000


class Inventory:
    """What a driver has: nothing but what a test says."""

    def __init__(self) -> None:
        self.ids: dict[InventoryKind, set[str]] = {kind: set() for kind in InventoryKind}
        self.before_answer: Callable[[], Awaitable[object]] | None = None

    async def list_resource_ids(self, kind: InventoryKind) -> set[str]:
        """Return what exists."""
        if self.before_answer is not None:
            await self.before_answer()
        return self.ids[kind]


class Search:
    """Looks for missing resources of one kind, at times that a test chooses."""

    def __init__(self, cloud: RunningCloud, kind: InventoryKind) -> None:
        self.now, self.inventory = cloud.app_state.now(), Inventory()
        self.missing = MissingResources(
            cloud.app_state.db,
            self.inventory,
            ResourceRepairs(
                cloud.app_state.db,
                CloudClock(lambda: self.now),
                cloud.app_state.new_ordered_id,
                cloud.app_state.wake_engine,
            ),
            [REGION],
            kinds=[item for item in KINDS if item.kind is kind],
        )

    async def run(self, *, after_seconds: int = 0) -> None:
        """Look once, after some time."""
        self.now += after_seconds * SECOND
        await self.missing.check_next_pages()


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    """A cloud with the simulated driver."""
    async with run_cloud(checked_settings(data=tmp_path / "data")) as running:
        yield running


@pytest.fixture
async def owner(cloud: RunningCloud) -> AsyncIterator[Tenant]:
    """A tenant of that cloud."""
    async with new_tenant(cloud) as tenant:
        yield tenant


async def create_group(owner: Tenant) -> str:
    """Create a security group without rules."""
    body = {"security_group": {"name": "web", "security_group_rules": []}}
    return str((await owner.api.post(owner.path("securitygroups"), json=body)).json()["id"])


async def list_started_tasks(owner: Tenant) -> list[tuple[str, str]]:
    """Wait for the tasks that no request has started; return their resources and states."""
    async with owner.running.app_state.db.read() as tx:
        rows = await tx.all("SELECT id FROM tasks WHERE user_id = 0 ORDER BY id")
    tasks = [await owner.wait_for_task(row[0]) for row in rows]
    return [(task["data"]["group_id"], task["state"]) for task in tasks]


async def change(cloud: RunningCloud, group_id: str, **changes: Any) -> None:
    """Change fields of a group's record."""

    async def write(tx: Tx) -> None:
        group = await security_groups.require(tx, group_id)
        await security_groups.save(tx, group, replace(group, **changes))

    await cloud.app_state.db.write(write)


async def test_what_stays_missing_is_made_again_at_growing_intervals(cloud: RunningCloud, owner: Tenant) -> None:
    group_id, search = await create_group(owner), Search(cloud, InventoryKind.SECURITY_GROUPS)
    counts = []

    for seconds in (0, 59, 1, 60, 60, 120):
        await search.run(after_seconds=seconds)
        counts.append(len(await list_started_tasks(owner)))

    assert counts == [1, 1, 2, 2, 3, 3]
    assert set(await list_started_tasks(owner)) == {(group_id, "FINISHED")}
    search.inventory.ids[InventoryKind.SECURITY_GROUPS] = {group_id}
    await search.run()
    search.inventory.ids[InventoryKind.SECURITY_GROUPS] = set()
    await search.run()
    assert len(await list_started_tasks(owner)) == 4


async def test_a_record_that_a_task_has_locked_or_changed_is_left_alone(cloud: RunningCloud, owner: Tenant) -> None:
    locked, changed = await create_group(owner), await create_group(owner)
    await change(cloud, locked, task_id="a-task")
    search = Search(cloud, InventoryKind.SECURITY_GROUPS)
    search.inventory.before_answer = lambda: change(cloud, changed, name="changed")

    await search.run()

    assert await list_started_tasks(owner) == []


async def test_a_default_group_is_not_missed(cloud: RunningCloud, owner: Tenant) -> None:
    (group,) = (await owner.api.get(owner.path("securitygroups"))).json()["results"]

    await Search(cloud, InventoryKind.SECURITY_GROUPS).run()

    assert group["name"] == "default"
    assert await list_started_tasks(owner) == []


async def test_records_are_looked_at_page_by_page(
    cloud: RunningCloud, owner: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing_resources, "PAGE_SIZE", 2)
    group_ids = sorted([await create_group(owner) for _ in range(3)])
    search = Search(cloud, InventoryKind.SECURITY_GROUPS)

    await search.run()
    first = await list_started_tasks(owner)
    await search.run()

    assert sorted(group_id for group_id, _ in first) == group_ids[:2]
    assert sorted(group_id for group_id, _ in await list_started_tasks(owner)) == group_ids


async def test_snapshots_and_volumes_whose_data_are_gone_are_in_error(cloud: RunningCloud, owner: Tenant) -> None:
    order = {"source": "new-volume", "name": "data", "size": 1, "type_name": "standard"}
    task = await owner.wait_until_finished(await owner.api.post(owner.path("volumes"), json=order))
    (volume_id,) = task["created_resources"]["volumes"]
    order = {"name": "then", "volume_id": volume_id}
    task = await owner.wait_until_finished(await owner.api.post(owner.path("snapshots"), json=order))
    (snapshot_id,) = task["created_resources"]["snapshots"]

    for kind in (InventoryKind.VOLUMES, InventoryKind.SNAPSHOTS):
        await Search(cloud, kind).run()

    for noun, resource_id in (("volumes", volume_id), ("snapshots", snapshot_id)):
        assert (await owner.api.get(owner.path(noun, resource_id))).json()["status"] == "error"
    await owner.wait_until_finished(await owner.api.delete(owner.path("snapshots", snapshot_id)))
    await owner.wait_until_finished(await owner.api.delete(owner.path("volumes", volume_id)))
