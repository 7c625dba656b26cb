"""The lifecycle of machines: start, stop, suspend, restart, resize and deletion."""

import asyncio
import shutil

from msgspec.structs import replace

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.cgroups import remove_cgroup
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.devices import MachineDevices
from pileus.drivers.qemu.host import HostCapacity
from pileus.drivers.qemu.log_files import machine_logs
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_records import RUNNING, STOPPED, SUSPENDED, MachineRecord
from pileus.drivers.qemu.monitor import MonitorUnavailable
from pileus.drivers.qemu.processes import QemuProcesses

ENDED_STATES = frozenset({"shutdown", "guest-panicked", "internal-error"})
"""States of QEMU that a machine leaves only by a new process."""


class MachineLifecycle:
    """Brings machines to their intended states."""

    def __init__(
        self,
        control: MachineControl,
        client_users: ClientUsers,
        capacity: HostCapacity,
        devices: MachineDevices,
        processes: QemuProcesses,
    ) -> None:
        self._control, self._records, self._capacity = control, control.records, capacity
        self._client_users, self._devices, self._processes = client_users, devices, processes

    async def ensure_running_machine(self, machine: MachineSpec) -> None:
        """Start a machine, or resume it if it has a process that can go on."""
        async with self._control.lock(machine.id):
            await self._run(machine)

    async def ensure_started_machine(self, machine: MachineSpec) -> None:
        """Start or resume a machine that exists. Raises DriverError if there is none."""
        self._records.get(machine.id)
        async with self._control.lock(machine.id):
            self._records.get(machine.id)
            await self._run(machine)

    async def ensure_stopped_machine(self, machine_id: str) -> None:
        """Shut the guest down, and end its process."""
        async with self._control.lock(machine_id):
            record = self._records.get(machine_id)
            # Saved first: if the server dies now, the next one knows that the machine is to stop.
            self._records.save(replace(record, intent=STOPPED, reason=None))
            await self._processes.shut_down_guest(machine_id)
            await self._processes.end_process(machine_id)

    async def ensure_suspended_machine(self, machine_id: str) -> None:
        """Pause a machine in memory, started first if it does not run."""
        async with self._control.lock(machine_id):
            record = self._records.get(machine_id)
            if not self._control.children.is_running(record):
                await self._start_with_attached_devices(record.machine)
            async with self._control.require_monitor(machine_id) as monitor:
                await monitor.execute_command("stop")
            self._records.save(replace(self._records.get(machine_id), intent=SUSPENDED, reason=None))

    async def ensure_restarted_machine(self, machine: MachineSpec, request_id: str, *, hard: bool) -> None:
        """Restart a machine once for a request; `hard` does not wait for the guest's shutdown."""
        async with self._control.lock(machine.id):
            record = self._records.find(machine.id)
            if record and record.restarted_for == request_id:
                return
            self._check_startable(machine)
            if not hard:
                await self._processes.shut_down_guest(machine.id)
            await self._processes.end_process(machine.id)
            await self._start(machine)
            self._records.save(replace(self._records.get(machine.id), restarted_for=request_id))

    async def ensure_machine_size(self, machine: MachineSpec) -> None:
        """Resize a machine; one that runs, or did before a failed attempt, is restarted."""
        async with self._control.lock(machine.id):
            record = self._records.get(machine.id)
            if record.intent == STOPPED:
                self._records.save(replace(record, machine=machine))
                return
            if record.machine.flavor_id == machine.flavor_id and self._control.children.is_running(record):
                return
            self._check_startable(machine)
            await self._processes.shut_down_guest(machine.id)
            await self._processes.end_process(machine.id)
            await self._start(machine)

    async def ensure_no_machine(self, machine_id: str) -> None:
        """End a machine and delete all of it but its volumes."""
        folder = self._control.directory.machine_directory(machine_id)
        if self._records.find(machine_id) is None and not folder.exists():
            return
        async with self._control.lock(machine_id):
            await self._processes.end_process(machine_id)
            self._control.children.wait_and_untrack(machine_id)
            await self._devices.detach_all_after_end(machine_id)
            self._records.delete(machine_id)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            for log in machine_logs(self._control.directory.folder, machine_id):
                log.unlink(missing_ok=True)
            remove_cgroup(machine_id)
            folder.with_suffix(".lock").unlink(missing_ok=True)

    async def start_again(self, machine_id: str) -> None:
        """Start a machine that is to run, with all that is attached to it, after its process has ended."""
        async with self._control.lock(machine_id):
            record = self._records.get(machine_id)
            if record.intent == RUNNING and not self._control.children.is_running(record):
                await self._start_with_attached_devices(record.machine)

    async def _run(self, machine: MachineSpec) -> None:
        if self._control.is_running(machine.id) and await self._resume(machine.id):
            self._records.save(replace(self._records.get(machine.id), intent=RUNNING, reason=None))
            return
        await self._processes.end_process(machine.id)
        await self._start(machine)

    async def _start(self, machine: MachineSpec) -> None:
        """Start a process for a machine, with the disks and interfaces that it names. Raises DriverError."""
        self._check_startable(machine)
        self._devices.attach_only_named(machine)
        await self._start_with_attached_devices(machine)

    def _check_startable(self, machine: MachineSpec) -> None:
        """Raise DriverError if a machine cannot run on this host."""
        if machine.image_id is not None:
            raise DriverError("The QEMU driver runs virtual machines only, no bare metal servers", retryable=False)
        self._capacity.check_machine_fits(machine)
        self._devices.check_attachable(machine)

    async def _start_with_attached_devices(self, machine: MachineSpec) -> None:
        """Start a process for a machine, with what is recorded as attached to it. Raises DriverError."""
        previous = self._records.find(machine.id)
        self._capacity.check_machine_fits(machine)
        user = self._client_users.user_of_client(machine.client_id)
        self._control.directory.create_machine_directory(machine.id, user)
        record = MachineRecord(
            machine=machine,
            intent=RUNNING,
            restarted_for=previous.restarted_for if previous else None,
            user_id=user.uid if user and user.client_id is not None else None,
        )
        devices = self._devices.assign_slots(record)
        self._devices.give_disks(machine, user)
        # Saved before the interfaces: the fabric serves metadata to the machines that have a record.
        self._records.save(record)
        await self._devices.connect_nics()
        await self._processes.start(record, devices)

    async def _resume(self, machine_id: str) -> bool:
        """Resume the process of a machine. Return whether the machine runs now."""
        try:
            async with self._control.open_monitor(machine_id) as monitor:
                state = await monitor.runstate()
                if state in ENDED_STATES:
                    return False
                if state != "running":
                    await monitor.execute_command("cont")
                return await monitor.runstate() == "running"
        except MonitorUnavailable:
            return False
