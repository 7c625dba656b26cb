"""QEMU processes: start, guest shutdown, and end. The caller holds the lock of the machine."""

import asyncio
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu import arguments
from pileus.drivers.qemu.cgroups import create_cgroup
from pileus.drivers.qemu.child_processes import process_start_time
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.file_ownership import create_file, give_file
from pileus.drivers.qemu.host import host_boot_id
from pileus.drivers.qemu.log_files import open_machine_logs, qemu_log, read_log_end
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_records import MachineRecord
from pileus.drivers.qemu.monitor import Monitor, MonitorUnavailable
from pileus.drivers.qemu.paths import POLL_INTERVAL, atomic_write, open_without_following_symlink
from pileus.drivers.qemu.programs import Programs
from pileus.drivers.qemu.seed_disks import make_seed_disk
from pileus.drivers.qemu.users import ProcessUser, command_as_user, environment_of_programs

ERROR_SIZE = 1 << 16
"""Bytes at the end of QEMU's log that are searched for an error."""
LIMITS = ("--core=0", "--nofile=1024", "--nproc=16384")
"""Limits of a process, but for the last one, which is that of all threads of a client."""
UMASK = 0o007
"""What a machine creates, its group can use too: that of the fabric for sockets, else a group of the client alone."""
START_TIMEOUT, END_TIMEOUT = 20.0, 10.0
"""Seconds until a started machine answers its monitor, and until a process has ended after the order to end."""


class QemuProcesses:
    """Starts and ends the processes of machines; a guest has `shutdown_timeout` seconds to shut down."""

    def __init__(
        self,
        control: MachineControl,
        client_users: ClientUsers,
        programs: Programs,
        fabric_updater: FabricUpdater,
        shutdown_timeout: float,
    ) -> None:
        self._client_users = client_users
        self._control, self._directory, self._records = control, control.directory, control.records
        self._programs, self._fabric_updater, self._shutdown_timeout = programs, fabric_updater, shutdown_timeout

    async def start(self, record: MachineRecord, devices: list[arguments.Device]) -> None:
        """Start QEMU for a machine and wait for its monitor. Raises DriverError with QEMU's error message."""
        machine = record.machine
        user = self._client_users.user_of_process(record)
        await self._ensure_seed_disk(machine, user)
        child = self._spawn(machine, devices, user)
        self._control.children.track(machine.id, child)
        create_cgroup(machine.id, child.pid, vcpus=machine.vcpus, ram=machine.ram)
        self._records.save(
            replace(record, pid=child.pid, started=process_start_time(child.pid), host_boot=host_boot_id())
        )
        await self._wait_until_started(machine.id)

    async def shut_down_guest(self, machine_id: str) -> None:
        """Press the power button, and wait until the guest has shut down or the timeout is over."""
        if not self._control.is_running(machine_id):
            return
        with suppress(MonitorUnavailable):
            async with self._control.open_monitor(machine_id) as monitor:
                if await monitor.runstate() == "paused":
                    await monitor.execute_command("cont")
                await monitor.execute_command("system_powerdown")
                await _wait_for_shutdown(monitor, self._shutdown_timeout)

    async def end_process(self, machine_id: str) -> None:
        """End the process of a machine: by its monitor, or by SIGKILL if that does not help."""
        record = self._records.find(machine_id)
        if not self._control.children.is_running(record):
            return
        with suppress(MonitorUnavailable):
            async with self._control.open_monitor(machine_id) as monitor:
                await monitor.execute_command("quit")
        if not await self._control.wait_for_exit(machine_id, END_TIMEOUT):
            assert record  # noqa: S101  # only a machine with a record runs
            assert record.pid  # noqa: S101  # and only one with a process
            with suppress(ProcessLookupError):
                os.kill(record.pid, signal.SIGKILL)
            await self._control.wait_for_exit(machine_id, END_TIMEOUT)

    def exit_reason(self, machine_id: str) -> str:
        """Return why the process of a machine has ended: the signal, or the last line of QEMU's log."""
        exit_code = self._control.children.exit_code(machine_id)
        if exit_code is not None and exit_code < 0:
            return f"QEMU was ended by {signal.Signals(-exit_code).name}"
        message = _last_line(qemu_log(self._directory.folder, machine_id))
        return f"QEMU ended: {message}" if message else "QEMU ended without an error message"

    async def _ensure_seed_disk(self, machine: MachineSpec, user: ProcessUser | None) -> None:
        """Write the seed disk, once: the guest reads it at its first boot. An empty file is none."""
        file = self._directory.machine_directory(machine.id) / arguments.SEED
        if file.exists() and file.stat().st_size:
            give_file(file, user)
            return
        content = make_seed_disk(machine, self._fabric_updater.subnets_for_guests())
        await asyncio.to_thread(_write_durably, file, content, user)

    def _spawn(
        self, machine: MachineSpec, devices: list[arguments.Device], user: ProcessUser | None
    ) -> subprocess.Popen[bytes]:
        """Start QEMU in a session of its own, so that it outlives the server."""
        # The fabric truncates the logs.
        serial, messages = open_machine_logs(self._directory.folder, machine.id, self._directory.users.fabric)
        with serial, messages:
            command = arguments.qemu_command(self._programs, machine, devices, serial.fileno())
            return subprocess.Popen(  # noqa: S603  # sizes and ids are all that tenants choose
                command_as_user(user, LIMITS if user else (), command),
                cwd=self._directory.machine_directory(machine.id),
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                pass_fds=(serial.fileno(),),
                start_new_session=True,
                umask=UMASK if user else 0o077,
                env=environment_of_programs(),
            )

    async def _wait_until_started(self, machine_id: str) -> None:
        """Wait until the monitor answers. Raises DriverError, and ends the process, if it does not."""
        deadline = time.monotonic() + START_TIMEOUT
        while self._control.is_running(machine_id) and time.monotonic() < deadline:
            with suppress(MonitorUnavailable):
                async with self._control.open_monitor(machine_id) as monitor:
                    await monitor.runstate()
                    return
            await asyncio.sleep(POLL_INTERVAL)
        await self.end_process(machine_id)
        reason = self.exit_reason(machine_id)
        self._records.save(replace(self._records.get(machine_id), reason=reason))
        raise DriverError(f"The machine could not be started: {reason}", retryable=False)


def _write_durably(file: Path, content: bytes, user: ProcessUser | None) -> None:
    """Write a file of a user, which appears under its name when it is whole."""
    with atomic_write(file, durable=True) as new:
        create_file(new, user)
        with open_without_following_symlink(new, "wb") as output:
            output.write(content)


async def _wait_for_shutdown(monitor: Monitor, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while await monitor.runstate() != "shutdown" and time.monotonic() <= deadline:  # noqa: ASYNC110  # QEMU is polled
        await asyncio.sleep(POLL_INTERVAL)


def _last_line(log: Path) -> str:
    """Return the last line of a log."""
    lines = read_log_end(log, ERROR_SIZE).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""
