"""The processes of load balancers: start, change and end. The caller holds the lock of the load balancer."""

import asyncio
import subprocess
import time
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from pileus.domain.load_balancers.flavors import LoadBalancerFlavor
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.cgroups import create_cgroup
from pileus.drivers.qemu.child_processes import ChildProcesses, process_start_time
from pileus.drivers.qemu.haproxy.configuration import MASTER_SOCKET
from pileus.drivers.qemu.haproxy.directories import NO_STATES, LoadBalancerDirectory
from pileus.drivers.qemu.haproxy.programs import HaproxyPrograms
from pileus.drivers.qemu.haproxy.records import LoadBalancerRecord, LoadBalancerRecords
from pileus.drivers.qemu.haproxy.runtime import HaproxySockets, HaproxyUnavailable
from pileus.drivers.qemu.log_files import ERROR_SIZE, haproxy_log, read_log_end
from pileus.drivers.qemu.namespaces.processes import NamespaceProcesses, NamespaceProgram, count_open_files
from pileus.drivers.qemu.paths import POLL_INTERVAL, DataDirectory
from pileus.drivers.qemu.users import ProcessUser, command_as_user

RIGHTS = "-all,+net_bind_service"
"""The capabilities of HAProxy: to listen on ports below 1024 of its network namespace."""
START_TIMEOUT, RELOAD_TIMEOUT, CHECK_TIMEOUT = 20.0, 20.0, 20.0
"""Seconds."""


class HaproxyProcesses:
    """Starts, changes and ends the processes of load balancers."""

    def __init__(
        self,
        directory: DataDirectory,
        children: ChildProcesses,
        records: LoadBalancerRecords,
        programs: HaproxyPrograms,
    ) -> None:
        self.namespaces = NamespaceProcesses(directory, children, programs)
        self._directory, self._records, self._programs = directory, records, programs

    def is_running(self, record: LoadBalancerRecord | None) -> bool:
        """Return whether the process of a load balancer runs."""
        return record is not None and self.namespaces.is_running(record.load_balancer.id, record.pid, record.started)

    async def check_candidate(self, directory: LoadBalancerDirectory, user: ProcessUser | None) -> None:
        """Raise DriverError if HAProxy does not accept the candidate for its configuration."""
        command = [self._programs.haproxy, "-c", "-q", "-f", str(directory.candidate)]
        child = await asyncio.create_subprocess_exec(
            *command_as_user(user, (), command),
            cwd=directory.run,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._programs.environment,
        )
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                output, _ = await child.communicate()
        except TimeoutError:
            child.kill()
            await child.wait()
            raise DriverError("HAProxy does not check its configuration in time", retryable=True) from None
        if child.returncode:
            message = output[-ERROR_SIZE:].decode("utf-8", "replace").strip()
            raise DriverError(f"HAProxy refuses the configuration: {message}", retryable=False)

    async def start(
        self,
        record: LoadBalancerRecord,
        directory: LoadBalancerDirectory,
        user: ProcessUser | None,
        devices: dict[str, Any],
        flavor: LoadBalancerFlavor,
    ) -> LoadBalancerRecord:
        """Start HAProxy with the configuration in the directory, and wait for it. Raises DriverError."""
        load_balancer_id = record.load_balancer.id
        directory.write_server_states(NO_STATES)
        program = NamespaceProgram(
            name=load_balancer_id,
            folder=directory.folder,
            log=haproxy_log(self._directory.folder, load_balancer_id),
            command=self._haproxy_command(directory, user),
            cwd=directory.run,
        )
        start = record.starts + 1
        with self.namespaces.spawn(program, devices, start) as child:
            create_cgroup(load_balancer_id, child.pid, vcpus=flavor.vcpus, ram=flavor.ram)
            started = replace(record, pid=child.pid, started=process_start_time(child.pid), starts=start)
            self._records.save(replace(started, loaded=None))
        await self._wait_until_started(started, HaproxySockets(directory.run))
        return started

    async def reload(self, directory: LoadBalancerDirectory) -> None:
        """Replace the worker by one with the configuration in the directory, which takes over its sockets.

        Connections stay with the former worker. What it knows about servers is handed to the new one.
        """
        sockets = HaproxySockets(directory.run)
        try:
            before = await sockets.list_processes()
            directory.write_server_states(usable_server_states(await sockets.ask("show servers state")))
            await sockets.start_reload()
        except HaproxyUnavailable as problem:
            raise DriverError(str(problem), retryable=True) from problem
        deadline = time.monotonic() + RELOAD_TIMEOUT
        while time.monotonic() < deadline:
            with suppress(HaproxyUnavailable):
                processes = await sockets.list_processes()
                if processes.worker not in (None, before.worker):
                    return
                if processes.failed_reloads > before.failed_reloads:
                    break
            await asyncio.sleep(POLL_INTERVAL)
        raise DriverError("HAProxy cannot load its configuration: see its log", retryable=False)

    async def end(self, record: LoadBalancerRecord) -> None:
        """End the process of a load balancer."""
        await self.namespaces.end(record.load_balancer.id, record.pid, record.started)

    def _haproxy_command(self, directory: LoadBalancerDirectory, user: ProcessUser | None) -> list[str]:
        identity = ["--reuid", str(user.uid), "--regid", str(user.gid), "--clear-groups"] if user else []
        rights = ["--no-new-privs", f"--inh-caps={RIGHTS}", f"--ambient-caps={RIGHTS}", f"--bounding-set={RIGHTS}"]
        haproxy = [self._programs.haproxy, "-W", "-S", f"unix@{MASTER_SOCKET},mode,600", "-f"]
        limits = ["prlimit", "--core=0", f"--nofile={count_open_files()}", "--"]
        return [
            "setpriv",
            *identity,
            *rights,
            "--pdeathsig",
            "KILL",
            "--",
            *limits,
            *haproxy,
            str(directory.configuration),
        ]

    async def _wait_until_started(self, record: LoadBalancerRecord, sockets: HaproxySockets) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while self.is_running(record) and time.monotonic() < deadline:
            with suppress(HaproxyUnavailable):
                await sockets.list_processes()
                await sockets.ask("show info")
                return
            await asyncio.sleep(POLL_INTERVAL)
        await self.end(record)
        messages = read_log_end(haproxy_log(self._directory.folder, record.load_balancer.id), ERROR_SIZE)
        raise DriverError(
            f"HAProxy could not be started: {messages.decode('utf-8', 'replace').strip()}", retryable=False
        )


def usable_server_states(states: str) -> str:
    """Return the states of servers without those that were disabled: the configuration says which ones are."""
    lines = states.strip().splitlines()
    return "".join(f"{line}\n" for line in lines if not _is_disabled(line.split()))


def _is_disabled(fields: list[str]) -> bool:
    return len(fields) > 6 and fields[0].isdigit() and fields[6] != "0"
