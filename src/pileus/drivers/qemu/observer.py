"""The observed status of machines: by their records, their processes and QEMU's run states."""

from collections.abc import AsyncIterator
from contextlib import suppress

from msgspec.structs import replace

from pileus.domain.compute.instances import Status
from pileus.drivers.protocols.compute import ObservedMachine
from pileus.drivers.qemu.host import host_boot_id
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_records import STOPPED, MachineRecord
from pileus.drivers.qemu.monitor import MonitorUnavailable
from pileus.drivers.qemu.processes import QemuProcesses

ERRORS = {
    "io-error": "A disk could not be written: the host's disk is full, or fails",
    "internal-error": "QEMU cannot go on",
    "guest-panicked": "The guest's kernel panicked",
}
"""The reason of the status ERROR, by QEMU's run state."""


class MachineObserver:
    """Observes machines; with `resume`, those that ran when the host ended are about to be started again."""

    def __init__(self, control: MachineControl, processes: QemuProcesses, *, resume: bool) -> None:
        self._control, self._records, self._processes = control, control.records, processes
        self._resume = resume

    async def observe(self) -> AsyncIterator[ObservedMachine]:
        """Yield every machine whose status is known; record those that have stopped by themselves."""
        for machine_id in self._records.by_id():
            observed = await self._observe_machine(machine_id)
            if observed:
                yield observed

    async def _observe_machine(self, machine_id: str) -> ObservedMachine | None:
        """Return the status of a machine; None while it changes."""
        record = self._records.find(machine_id)
        if record is None:
            return None
        if record.intent == STOPPED:
            return ObservedMachine(machine_id=machine_id, status=Status.SHUTOFF)
        if not self._control.children.is_running(record):
            return self._observe_ended(machine_id)
        # The monitor of a locked machine serves one client, and may be in use for hours.
        return None if self._control.is_locked(machine_id) else await self._observe_running(machine_id, record)

    async def _observe_running(self, machine_id: str, record: MachineRecord) -> ObservedMachine | None:
        """Return the status of a machine by its monitor; None if it does not answer."""
        try:
            async with self._control.open_monitor(machine_id) as monitor:
                state = await monitor.runstate()
        except MonitorUnavailable:
            return None if self._control.children.is_running(record) else self._observe_ended(machine_id)
        if state == "shutdown":
            return await self._finish_shutdown(machine_id)
        return _observed(machine_id, state)

    def _observe_ended(self, machine_id: str) -> ObservedMachine | None:
        """Return ERROR for a process that ended unexpectedly; None if the machine was stopped or started meanwhile."""
        record = self._records.find(machine_id)
        if record is None or record.intent == STOPPED or self._control.children.is_running(record):
            return None
        if record.host_boot not in (None, host_boot_id()):
            return self._observe_after_host_boot(machine_id, record)
        reason = record.reason or self._processes.exit_reason(machine_id)
        if not record.reason:
            self._records.save(replace(record, reason=reason))
        return ObservedMachine(machine_id=machine_id, status=Status.ERROR, reason=reason)

    def _observe_after_host_boot(self, machine_id: str, record: MachineRecord) -> ObservedMachine | None:
        """Return None for a machine that is to be started again after the host; else record it as stopped."""
        if self._resume:
            return None
        self._records.save(replace(record, intent=STOPPED))
        return ObservedMachine(machine_id=machine_id, status=Status.SHUTOFF)

    async def _finish_shutdown(self, machine_id: str) -> ObservedMachine | None:
        """End the process of a guest that has shut down, unless the machine is locked."""
        if self._control.is_locked(machine_id):
            return None
        async with self._control.lock(machine_id):
            if await self._runstate(machine_id) != "shutdown":
                return None
            self._records.save(replace(self._records.get(machine_id), intent=STOPPED))
            await self._processes.end_process(machine_id)
        return ObservedMachine(machine_id=machine_id, status=Status.SHUTOFF)

    async def _runstate(self, machine_id: str) -> str | None:
        if not self._control.is_running(machine_id):
            return None
        with suppress(MonitorUnavailable):
            async with self._control.open_monitor(machine_id) as monitor:
                return await monitor.runstate()
        return None


def _observed(machine_id: str, state: str) -> ObservedMachine:
    if state in ERRORS:
        return ObservedMachine(machine_id=machine_id, status=Status.ERROR, reason=ERRORS[state])
    status = Status.SUSPENDED if state in {"paused", "suspended"} else Status.ACTIVE
    return ObservedMachine(machine_id=machine_id, status=status)
