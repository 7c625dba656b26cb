"""The reconciler: records follow what drivers see, but for what a task holds, and for what nobody knows."""

import asyncio
from collections.abc import Callable

import pytest

from pileus.domain.compute.instances import VM_STATES, Instance, Status
from pileus.store.compute import instances
from pileus.tasks.cancellation import cancel_and_wait
from pileus.tasks.reconcile import EVERY, Reconciler, reconcile
from tests.builders import an_instance, driver_of, now_of
from tests.drivers.test_conformance import a_machine
from tests.tasks.workers import Flaky, Stage
from tests.tenants import Tenant


async def reconciled(tenant: Tenant) -> int:
    running = tenant.running
    return await reconcile(running.cloud.db, running.driver, lambda: 4711)


async def seen(tenant: Tenant, instance: Instance) -> tuple[str, str]:
    after = await now_of(tenant, instance)
    return after.status, after.vm_state


@pytest.mark.parametrize("status", list(Status))
async def test_an_instance_follows_its_machine(tenant: Tenant, status: Status) -> None:
    instance = await an_instance(tenant)
    driver_of(tenant.running).set_state(instance.id, status.value)

    await reconciled(tenant)

    assert await seen(tenant, instance) == (status, VM_STATES[status])


async def test_a_machine_may_tell_its_own_vm_state_and_when_it_changed_is_kept(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    driver_of(tenant.running).set_state(instance.id, "ACTIVE", "rescued")

    await reconciled(tenant)

    assert await seen(tenant, instance) == ("ACTIVE", "rescued")
    assert (await now_of(tenant, instance)).changed_at == 4711


async def test_what_is_right_already_is_left_alone(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    await reconciled(tenant)
    await reconciled(tenant)

    assert (await now_of(tenant, instance)).revision == 1


async def test_what_a_task_holds_is_the_tasks_business(tenant: Tenant) -> None:
    instance, db = await an_instance(tenant), tenant.running.cloud.db
    await db.write(lambda tx: instances.save(tx, instance, instance.locked("a-task", "powering-off")))
    driver_of(tenant.running).set_state(instance.id, "SHUTOFF")

    await reconciled(tenant)

    assert await seen(tenant, instance) == ("ACTIVE", "active")


async def test_a_machine_that_nobody_knows_is_left_alone(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    machine = a_machine()
    await stage.driver.ensure_running(machine)

    assert await reconcile(stage.db, stage.driver, stage.clock) == 0

    assert "A machine has no record" in caplog.text
    assert stage.driver.counts()[0] == 1


async def test_it_goes_on_after_a_failure(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    await stage.driver.ensure_running(a_machine())
    with pytest.raises(asyncio.CancelledError):
        await Reconciler(Flaky(stage.db, blind=2), stage.driver, stage.clock, sleep).run()

    assert pauses == [EVERY] * 3
    assert caplog.text.count("Reconciling failed") == 2
    assert caplog.text.count("A machine has no record") == 1


async def test_it_does_not_rest_when_it_is_nudged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """A machine that changes by itself is looked at at once."""
    resting = asyncio.Event()

    async def sleep(_: float) -> None:
        resting.set()
        await asyncio.Event().wait()

    await stage.driver.ensure_running(a_machine())
    reconciler = Reconciler(stage.db, stage.driver, stage.clock, sleep)
    running = asyncio.create_task(reconciler.run())
    await resting.wait()
    resting.clear()
    # The first is not told of again.
    await stage.driver.ensure_running(a_machine())
    reconciler.nudge()
    await resting.wait()
    await cancel_and_wait(running)

    assert caplog.text.count("A machine has no record") == 2


async def test_looking_after_machines_goes_on_after_a_failure(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []

    class Short:
        async def watch(self, changed: Callable[[], None]) -> None:
            changed()
            raise OSError("a machine hung up")

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Reconciler(stage.db, stage.driver, stage.clock, sleep).look_after(Short())

    assert pauses == [EVERY] * 2
    assert caplog.text.count("Looking after machines failed") == 2
