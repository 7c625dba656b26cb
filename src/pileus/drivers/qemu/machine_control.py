"""Access to one machine: its lock, its process and its monitor."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.child_processes import ChildProcesses
from pileus.drivers.qemu.machine_records import MachineRecords
from pileus.drivers.qemu.monitor import Monitor, MonitorUnavailable, open_monitor
from pileus.drivers.qemu.paths import POLL_INTERVAL, DataDirectory, try_lock, wait_for_lock


class MachineControl:
    """The locks, processes and monitors of all machines, by the machine's id."""

    def __init__(self, directory: DataDirectory, records: MachineRecords, children: ChildProcesses) -> None:
        self.directory, self.records, self.children = directory, records, children

    def lock(self, machine_id: str) -> AbstractAsyncContextManager[None]:
        """Lock a machine, in all processes of the server."""
        return wait_for_lock(self.directory.machine_directory(machine_id).with_suffix(".lock"), POLL_INTERVAL)

    def is_locked(self, machine_id: str) -> bool:
        """Return whether a machine is locked."""
        descriptor = try_lock(self.directory.machine_directory(machine_id).with_suffix(".lock"))
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def is_running(self, machine_id: str) -> bool:
        """Return whether the process of a machine runs."""
        return self.children.is_running(self.records.find(machine_id))

    async def wait_for_exit(self, machine_id: str, seconds: float) -> bool:
        """Wait for the end of a machine's process, for so many seconds. Return whether it has ended."""
        record, deadline = self.records.find(machine_id), time.monotonic() + seconds
        while self.children.is_running(record):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_INTERVAL)
        return True

    def open_monitor(self, machine_id: str) -> AbstractAsyncContextManager[Monitor]:
        """Open the monitor of a machine. Raises MonitorUnavailable."""
        return open_monitor(self.directory.machine_directory(machine_id))

    @asynccontextmanager
    async def require_monitor(self, machine_id: str) -> AsyncIterator[Monitor]:
        """Open the monitor of a machine. Raises DriverError if the machine does not answer."""
        try:
            async with self.open_monitor(machine_id) as monitor:
                yield monitor
        except MonitorUnavailable:
            raise DriverError(f"Machine {machine_id} does not answer", retryable=True) from None
