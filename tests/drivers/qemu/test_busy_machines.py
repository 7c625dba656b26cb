"""A machine whose monitor is in use, by a copy for example, delays nothing but itself."""

import asyncio
from unittest.mock import AsyncMock

import pytest

from pileus.drivers.qemu import supervisor
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.monitor import ANSWER_TIMEOUT
from pileus.tasks.cancellation import cancel_and_wait
from tests.drivers.qemu.conftest import a_machine


async def test_a_machine_whose_monitor_is_in_use_is_not_waited_for(qemu: Qemu) -> None:
    busy, other = a_machine(), a_machine()
    for machine in (busy, other):
        await qemu.ensure_running_machine(machine)

    async with qemu.control.lock(busy.id), qemu.control.require_monitor(busy.id):
        async with asyncio.timeout(ANSWER_TIMEOUT - 2):
            await qemu.sampler.sample_running_machines()
            observed = {machine.machine_id async for machine in qemu.observe()}

    assert observed == {other.id}


async def test_supervision_goes_on_while_samples_are_taken(qemu: Qemu, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = AsyncMock()
    monkeypatch.setattr(supervisor, "ROUND_INTERVAL", 0.05)
    monkeypatch.setattr(qemu.file_shares, "restart_ended", rounds)
    monkeypatch.setattr(qemu.sampler, "sample_running_machines", asyncio.Event().wait)
    watching = asyncio.create_task(qemu.watch_machines(lambda: None))
    try:
        async with asyncio.timeout(20):
            while rounds.await_count < 3:  # noqa: ASYNC110  # nothing signals a round
                await asyncio.sleep(0.05)
    finally:
        await cancel_and_wait(watching)
