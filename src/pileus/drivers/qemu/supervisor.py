"""The supervisor: listens to events of machines, samples them, and starts them again after a boot of the host."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec.structs import replace
from qemu.qmp import EventListener, Runstate

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.ganesha.file_shares import GaneshaFileShares
from pileus.drivers.qemu.haproxy.load_balancers import HaproxyLoadBalancers
from pileus.drivers.qemu.haproxy.samples import LoadBalancerSampler
from pileus.drivers.qemu.host import host_boot_id
from pileus.drivers.qemu.log_files import all_logs, truncate_log
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_records import RUNNING, MachineRecord
from pileus.drivers.qemu.machines import MachineLifecycle
from pileus.drivers.qemu.metrics import MetricsSampler
from pileus.drivers.qemu.monitor import EVENTS, MonitorUnavailable, connect_qmp_client
from pileus.drivers.qemu.paths import wait_for_lock
from pileus.drivers.qemu.processes import END_TIMEOUT

LOG = logging.getLogger(__name__)
ROUND_INTERVAL, ROUNDS_PER_SAMPLE = 1.0, 15
"""Seconds between two looks at which machines run, and how many of them pass between two samples."""
EVENT_NAMES = ("SHUTDOWN", "STOP", "RESUME", "SUSPEND", "WAKEUP", "GUEST_PANICKED", "BLOCK_IO_ERROR")


class MachineSupervisor:
    """Supervises all machines of the host; with `resume`, it starts them again after a boot of the host."""

    def __init__(  # noqa: PLR0913  # the parts of the driver that it uses
        self,
        control: MachineControl,
        lifecycle: MachineLifecycle,
        sampler: MetricsSampler,
        fabric_updater: FabricUpdater,
        *,
        load_balancers: HaproxyLoadBalancers,
        load_balancer_sampler: LoadBalancerSampler,
        file_shares: GaneshaFileShares,
        resume: bool,
    ) -> None:
        self._control, self._directory, self._records = control, control.directory, control.records
        self._lifecycle, self._sampler, self._fabric_updater, self._resume = lifecycle, sampler, fabric_updater, resume
        self._load_balancers, self._load_balancer_sampler = load_balancers, load_balancer_sampler
        self._file_shares = file_shares

    async def watch_machines(self, on_change: Callable[[], None]) -> None:
        """Supervise until cancelled, once no other process does; call `on_change` when a machine has changed."""
        async with wait_for_lock(self._directory.folder / "watch.lock", ROUND_INTERVAL):
            listeners: dict[str, asyncio.Task[None]] = {}
            restarts: dict[str, asyncio.Task[None]] = {}
            try:
                await self._recover()
                await self._run_rounds(listeners, restarts, on_change)
            finally:
                tasks = [*listeners.values(), *restarts.values()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_rounds(
        self,
        listeners: dict[str, asyncio.Task[None]],
        restarts: dict[str, asyncio.Task[None]],
        on_change: Callable[[], None],
    ) -> None:
        count = 0
        while True:
            records = self._records.by_id()
            running = {
                machine_id for machine_id, record in records.items() if self._control.children.is_running(record)
            }
            for machine_id in running:
                if machine_id not in listeners or listeners[machine_id].done():
                    listeners[machine_id] = asyncio.create_task(self._listen(machine_id, on_change))
            for machine_id in set(listeners) - running:
                listeners.pop(machine_id).cancel()
                on_change()
            self._begin_restarts(restarts)
            if count % ROUNDS_PER_SAMPLE == 0:
                # Beside the rounds: a machine that does not answer must not stop the supervision of others.
                _begin(restarts, "samples", partial(self._sample, running))
            count += 1
            await asyncio.sleep(ROUND_INTERVAL)

    def _begin_restarts(self, restarts: dict[str, asyncio.Task[None]]) -> None:
        """Start again what has ended, beside the rounds: a start that hangs must not stop the supervision of others."""
        kinds = {"load balancers": self._load_balancers.restart_ended, "file shares": self._file_shares.restart_ended}
        for kind, restart_ended in kinds.items():
            _begin(restarts, kind, restart_ended)

    async def _sample(self, running: set[str]) -> None:
        try:
            await self._sampler.sample_running_machines()
            await self._load_balancer_sampler.sample_load_balancers()
        except DriverError as problem:
            LOG.warning("Metrics could not be sampled", extra={"why": str(problem)})
        for path in all_logs(self._directory.folder, running):
            truncate_log(path)

    async def _recover(self) -> None:
        """Start the network, warn about machines without a record, and start machines after a boot of the host."""
        with suppress(DriverError):
            await self._fabric_updater.send_network_state()
        records = self._records.by_id()
        for folder in self._directory.machines.iterdir():
            if folder.is_dir() and folder.name not in records:
                LOG.warning("A machine is not known: it is left alone", extra={"machine_id": folder.name})
        if self._resume:
            for record in records.values():
                is_running = self._control.children.is_running(record)
                if record.intent == RUNNING and not is_running and record.host_boot != host_boot_id():
                    await self._start_again(record)

    async def _start_again(self, record: MachineRecord) -> None:
        machine_id = record.machine.id
        LOG.info("A machine is started again after a boot of the host", extra={"machine_id": machine_id})
        try:
            await self._lifecycle.start_again(machine_id)
        except DriverError as problem:
            LOG.warning("A machine could not be started again", extra={"machine_id": machine_id, "why": str(problem)})
            # With the present boot in its record it is in error, and not tried again.
            failed = replace(self._records.get(machine_id), host_boot=host_boot_id(), reason=str(problem))
            self._records.save(failed)

    async def _listen(self, machine_id: str, on_change: Callable[[], None]) -> None:
        """Call `on_change` at each event of a machine, and at its end."""
        with suppress(MonitorUnavailable):
            async with connect_qmp_client(self._directory.machine_directory(machine_id), EVENTS) as client:
                with client.listener(EVENT_NAMES) as events:
                    await _report_events(events, asyncio.ensure_future(client.runstate_changed()), on_change)
            # A process closes its sockets before it ends: until it has ended, its exit code is unknown.
            await self._control.wait_for_exit(machine_id, END_TIMEOUT)
            on_change()


def _begin(tasks: dict[str, asyncio.Task[None]], kind: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Begin work of a kind, unless the former one has not ended. Raises what that has raised."""
    if (former := tasks.get(kind)) is not None:
        if not former.done():
            return
        former.result()
    tasks[kind] = asyncio.create_task(work())


async def _report_events(
    events: EventListener, disconnected: asyncio.Future[Runstate], on_change: Callable[[], None]
) -> None:
    """Call `on_change` at each event until the machine has closed the connection."""
    try:
        while not disconnected.done():
            event = asyncio.ensure_future(events.get())
            await asyncio.wait((disconnected, event), return_when=asyncio.FIRST_COMPLETED)
            if event.done():
                on_change()
            event.cancel()
    finally:
        disconnected.cancel()
