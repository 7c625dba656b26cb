"""Instances whose machines somebody has deleted."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.app import RunningCloud
from pileus.domain.compute.instances import Instance
from pileus.drivers.protocols.errors import DriverError
from pileus.store.compute import instances
from pileus.tasks.missing_machines import PAGE_SIZE, MissingMachines
from pileus.tasks.reconciler import Reconciler
from tests.drivers.memory import MemoryDriver
from tests.regions.clouds import create, memory_driver, one, status_of
from tests.tenants import Tenant


async def test_an_instance_whose_machine_is_gone_is_in_error(
    cloud: RunningCloud, owner: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    gone, kept, elsewhere = await create(owner, 2), await create(owner, 3), await create(owner, 1)
    del memory_driver(cloud).machines[gone], memory_driver(cloud).statuses[gone]

    await run_reconciler(cloud)
    await run_reconciler(cloud)

    statuses = [await status_of(owner, *at) for at in ((2, gone), (3, kept), (1, elsewhere))]
    assert statuses == ["ERROR", "ACTIVE", "ACTIVE"]
    assert caplog.text.count("A machine is gone") == 1
    await owner.wait_until_finished(await owner.api.delete(one(owner, 2, gone)))


async def test_an_instance_that_a_task_has_locked_or_changed_is_not_taken_for_gone(
    cloud: RunningCloud, owner: Tenant
) -> None:
    locked, changed = await create(owner, 2), await create(owner, 2)
    driver, db = memory_driver(cloud), cloud.app_state.db
    await change(cloud, locked, task_id="a-task", task_state="rebooting")

    class ChangingInventory(MemoryDriver):
        async def list_missing_machines(self, machine_ids: Sequence[str]) -> Sequence[str]:
            await change(cloud, changed, name="other")
            return machine_ids

    inventory = ChangingInventory(driver.settings, [2])
    await MissingMachines(db, inventory, cloud.app_state.now, [2]).check_next_pages()

    assert [await status_of(owner, 2, instance_id) for instance_id in (locked, changed)] == ["ACTIVE", "ACTIVE"]


async def test_a_driver_that_does_not_answer_changes_nothing(cloud: RunningCloud, owner: Tenant) -> None:
    instance_id, driver = await create(owner, 2), memory_driver(cloud)
    driver.machines.clear()
    driver.failure = "No connection"

    with pytest.raises(DriverError, match="No connection"):
        await MissingMachines(cloud.app_state.db, driver, cloud.app_state.now, [2]).check_next_pages()

    assert await status_of(owner, 2, instance_id) == "ACTIVE"


async def test_all_instances_are_looked_at_page_by_page(cloud: RunningCloud, owner: Tenant) -> None:
    template, driver = await find_instance(cloud, await create(owner, 2)), memory_driver(cloud)
    copies = [replace(template, id=f"{template.id[:-4]}{number:04}", name="c") for number in range(PAGE_SIZE + 1)]
    await cloud.app_state.db.write(lambda tx: instances.TABLE.add_all(tx, copies))
    last_id = max(copy.id for copy in copies)
    driver.machines |= {copy.id: driver.machines[template.id] for copy in copies if copy.id != last_id}
    search = MissingMachines(cloud.app_state.db, driver, cloud.app_state.now, [2, 3])

    await search.check_next_pages()

    assert await status_of(owner, 2, last_id) == "ERROR"
    assert await status_of(owner, 2, copies[0].id) == "ACTIVE"


async def run_reconciler(cloud: RunningCloud) -> None:
    """Run the reconciler of the shared driver once."""

    async def sleep(_: float) -> None:
        raise asyncio.CancelledError

    reconciler = Reconciler(cloud.app_state.db, memory_driver(cloud), cloud.app_state.now, [2, 3], sleep)
    with pytest.raises(asyncio.CancelledError):
        await reconciler.run()


async def find_instance(cloud: RunningCloud, instance_id: str) -> Instance:
    async with cloud.app_state.db.read() as tx:
        return await instances.require(tx, instance_id)


async def change(cloud: RunningCloud, instance_id: str, **changes: Any) -> None:
    """Change fields of an instance."""
    instance = await find_instance(cloud, instance_id)
    await cloud.app_state.db.write(lambda tx: instances.save(tx, instance, replace(instance, **changes)))
