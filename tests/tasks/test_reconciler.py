"""The reconciler updates instances to what drivers observe, except locked ones and unknown machines."""

import asyncio
from collections.abc import Callable

import pytest

from pileus.domain.compute.instances import VM_STATES, Instance, Status
from pileus.store.compute import instances
from pileus.tasks.cancellation import cancel_and_wait
from pileus.tasks.reconciler import INTERVAL, Reconciler, reconcile_instance_statuses
from pileus.testing.conformance.helpers import new_machine
from tests.builders import an_instance, driver_of, reload_instance
from tests.simulated_cloud import count_machines_volumes_and_nics
from tests.tasks.workers import FlakyDatabase, Workbench
from tests.tenants import REGION, Tenant


async def run_reconciler(tenant: Tenant) -> int:
    running = tenant.running
    return await reconcile_instance_statuses(running.app_state.db, driver_of(running), lambda: 4711, [REGION])


async def load_status(tenant: Tenant, instance: Instance) -> tuple[str, str]:
    after = await reload_instance(tenant, instance)
    return after.status, after.vm_state


@pytest.mark.parametrize("status", list(Status))
async def test_an_instance_gets_the_status_of_its_machine(tenant: Tenant, status: Status) -> None:
    instance = await an_instance(tenant)
    await driver_of(tenant.running).set_machine_state(instance.id, status.value)

    await run_reconciler(tenant)

    assert await load_status(tenant, instance) == (status, VM_STATES[status])


async def test_the_vm_state_and_the_time_of_the_change_are_saved(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    await driver_of(tenant.running).set_machine_state(instance.id, "ACTIVE", "rescued")

    await run_reconciler(tenant)

    assert await load_status(tenant, instance) == ("ACTIVE", "rescued")
    assert (await reload_instance(tenant, instance)).changed_at == 4711


async def test_an_instance_with_the_right_status_is_not_saved(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    await run_reconciler(tenant)
    await run_reconciler(tenant)

    assert (await reload_instance(tenant, instance)).revision == instance.revision


async def test_a_locked_instance_is_not_changed(tenant: Tenant) -> None:
    instance, db = await an_instance(tenant), tenant.running.app_state.db
    await db.write(lambda tx: instances.save(tx, instance, instance.locked("a-task", "powering-off")))
    await driver_of(tenant.running).set_machine_state(instance.id, "SHUTOFF")

    await run_reconciler(tenant)

    assert await load_status(tenant, instance) == ("ACTIVE", "active")


async def test_a_machine_without_a_record_is_left_alone(bench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    machine = new_machine()
    await bench.driver.ensure_running_machine(machine)

    assert await reconcile_instance_statuses(bench.db, bench.driver, bench.clock, [REGION]) == 0

    assert "A machine has no record" in caplog.text
    assert (await count_machines_volumes_and_nics(bench.db))[0] == 1


async def test_it_continues_after_a_failure(bench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    await bench.driver.ensure_running_machine(new_machine())
    with pytest.raises(asyncio.CancelledError):
        await Reconciler(FlakyDatabase(bench.db, failing_reads=2), bench.driver, bench.clock, [REGION], sleep).run()

    assert pauses == [INTERVAL] * 3
    assert caplog.text.count("Reconciling failed") == 2
    assert caplog.text.count("A machine has no record") == 1


async def test_a_nudge_ends_the_pause(bench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    """So the status of a machine that changes by itself is saved at once."""
    paused = asyncio.Event()

    async def sleep(_: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    await bench.driver.ensure_running_machine(new_machine())
    reconciler = Reconciler(bench.db, bench.driver, bench.clock, [REGION], sleep)
    running = asyncio.create_task(reconciler.run())
    await paused.wait()
    paused.clear()
    # The first machine is not reported again.
    await bench.driver.ensure_running_machine(new_machine())
    reconciler.nudge()
    await paused.wait()
    await cancel_and_wait(running)

    assert caplog.text.count("A machine has no record") == 2


async def test_watching_machines_continues_after_a_failure(bench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []

    class FailingDriver:
        async def watch_machines(self, on_change: Callable[[], None]) -> None:
            on_change()
            raise OSError("a machine hung up")

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Reconciler(bench.db, bench.driver, bench.clock, [REGION], sleep).watch_driver(FailingDriver())

    assert pauses == [INTERVAL] * 2
    assert caplog.text.count("Watching machines failed") == 2
