"""Load balancers as tasks change them: one lock each, one process each."""

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from pileus.domain.catalogue import Catalogue
from pileus.domain.load_balancers.flavors import LoadBalancerFlavor
from pileus.domain.load_balancers.parts import OperatingStatus
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import LoadBalancerSpec
from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.qemu.cgroups import remove_cgroup
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.haproxy.configuration import HaproxyConfiguration, HaproxyLimits
from pileus.drivers.qemu.haproxy.devices import used_nics
from pileus.drivers.qemu.haproxy.directories import LoadBalancerDirectory
from pileus.drivers.qemu.haproxy.processes import HaproxyProcesses
from pileus.drivers.qemu.haproxy.programs import HaproxyPrograms
from pileus.drivers.qemu.haproxy.records import LoadBalancerRecord, LoadBalancerRecords
from pileus.drivers.qemu.haproxy.runtime import HaproxySockets, HaproxyUnavailable
from pileus.drivers.qemu.haproxy.traffic import TrafficMeter
from pileus.drivers.qemu.log_files import haproxy_log
from pileus.drivers.qemu.namespaces.devices import plan_devices
from pileus.drivers.qemu.namespaces.processes import count_open_files
from pileus.drivers.qemu.namespaces.restarts import Restarts
from pileus.drivers.qemu.paths import POLL_INTERVAL, DataDirectory, try_lock, wait_for_lock
from pileus.drivers.qemu.state import QemuStateFile
from pileus.drivers.qemu.users import ProcessUser

LOG = logging.getLogger(__name__)
STATUSES = {
    "UP": OperatingStatus.ONLINE,
    "DOWN": OperatingStatus.ERROR,
    "NOLB": OperatingStatus.DRAINING,
    "DRAIN": OperatingStatus.DRAINING,
    "MAINT": OperatingStatus.OFFLINE,
}
RESERVED_FILES = 250
CONNECTIONS_PER_MIB = 16
"""Connections for each MiB of a flavor's memory: one takes up to 40 KiB, and TLS some more."""


class HaproxyLoadBalancers:
    """Creates, changes and deletes load balancers, and starts those again whose process has ended."""

    def __init__(  # noqa: PLR0913  # the parts of the driver that it uses
        self,
        directory: DataDirectory,
        state: QemuStateFile,
        records: LoadBalancerRecords,
        processes: HaproxyProcesses,
        *,
        programs: HaproxyPrograms,
        client_users: ClientUsers,
        fabric_updater: FabricUpdater,
        traffic: TrafficMeter,
        catalogue: Catalogue,
    ) -> None:
        self._directory, self._state, self._records, self._processes = directory, state, records, processes
        self._programs, self._client_users, self._fabric_updater = programs, client_users, fabric_updater
        self._traffic, self._catalogue = traffic, catalogue
        self._restarts = Restarts("load balancer")

    async def ensure_load_balancer(self, spec: LoadBalancerSpec) -> None:
        """Create or update a load balancer. What HAProxy refuses changes nothing. Raises DriverError."""
        if obstacle := await asyncio.to_thread(self._programs.find_obstacle):
            raise DriverError(obstacle, retryable=False)
        flavor = self._require_flavor(spec)
        configuration = HaproxyConfiguration.of(spec, _limits(flavor))
        async with self.lock(spec.id):
            previous = self._records.find(spec.id)
            user = self._choose_user(spec, previous)
            record = replace(
                previous or LoadBalancerRecord(load_balancer=spec),
                load_balancer=spec,
                user_id=user.uid if user and user.client_id is not None else None,
            )
            directory = self._open_directory(spec.id, user)
            directory.create()
            directory.write_candidate(configuration.text, configuration.files)
            await self._processes.check_candidate(directory, user)
            if previous and self._processes.is_running(previous) and not _has_other_machines(previous, spec):
                await self._update(record, directory, configuration)
            else:
                await self._restart(record, directory, user, flavor, configuration)
            directory.remove_unused_certificates(configuration.files)

    async def ensure_no_load_balancer(self, load_balancer_id: str) -> None:
        """End and delete a load balancer."""
        async with self.lock(load_balancer_id):
            if (record := self._records.find(load_balancer_id)) is not None:
                await self._processes.end(record)
            self._state.delete_nics(load_balancer_id)
            self._records.delete(load_balancer_id)
            self._state.db.execute("DELETE FROM samples WHERE machine_id = ?", (load_balancer_id,))
            await self._fabric_updater.send_network_state()
            remove_cgroup(load_balancer_id)
            self._open_directory(load_balancer_id, None).remove()
            haproxy_log(self._directory.folder, load_balancer_id).unlink(missing_ok=True)
        self._lock_path(load_balancer_id).unlink(missing_ok=True)

    async def member_statuses(self, load_balancer_ids: Sequence[str]) -> dict[str, str]:
        """Return the operating status of each member that HAProxy has; all have failed if it does not answer."""
        records = [record for id_ in load_balancer_ids if (record := self._records.find(id_)) is not None]
        # All are asked at once: one that does not answer in time must not delay the others.
        answers = await asyncio.gather(*map(self._member_statuses, records))
        return {member_id: status for statuses in answers for member_id, status in statuses.items()}

    async def restart_ended(self) -> None:
        """Start all load balancers again whose process has ended; one that fails waits before the next try."""
        records = self._records.by_id().items()
        ended_ids = [load_balancer_id for load_balancer_id, record in records if not self._processes.is_running(record)]
        await self._restarts.restart_ended(ended_ids, self._start_again)

    async def _start_again(self, load_balancer_id: str) -> None:
        """Start a load balancer with the configuration that it had, unless a task is changing it."""
        descriptor = try_lock(self._lock_path(load_balancer_id))
        if descriptor is None:
            return
        try:
            record = self._records.find(load_balancer_id)
            if record is None or self._processes.is_running(record):
                return
            user = self._user_of_process(record)
            directory = self._open_directory(load_balancer_id, user)
            if directory.configuration.exists():
                LOG.info("A load balancer is started again", extra={"load_balancer_id": load_balancer_id})
                await self._traffic.update(record)
                started = await self._start(record, directory, user, self._require_flavor(record.load_balancer))
                self._records.save(replace(started, loaded=None))
        finally:
            os.close(descriptor)

    async def _member_statuses(self, record: LoadBalancerRecord) -> dict[str, str]:
        folder = self._directory.load_balancer_directory(record.load_balancer.id)
        try:
            statuses = await HaproxySockets(folder / "run").server_statuses()
        except HaproxyUnavailable:
            return dict.fromkeys((member.id for member in record.load_balancer.members), OperatingStatus.ERROR.value)
        return {name.partition("/")[2]: operating_status(status) for name, status in statuses.items()}

    def lock(self, load_balancer_id: str) -> AbstractAsyncContextManager[None]:
        """Lock a load balancer, in all processes of the server."""
        return wait_for_lock(self._lock_path(load_balancer_id), POLL_INTERVAL)

    async def _update(
        self, record: LoadBalancerRecord, directory: LoadBalancerDirectory, configuration: HaproxyConfiguration
    ) -> None:
        """Change a running load balancer, by its runtime socket if that suffices."""
        nics = self._save_nics(record)
        await self._processes.namespaces.apply_devices(directory.folder, self._plan_devices(nics))
        directory.accept_candidate()
        # Until all is done, nothing is known about what HAProxy has loaded.
        self._records.save(replace(record, loaded=None))
        if record.loaded != configuration.fixed:
            await self._traffic.update(record)
            await self._processes.reload(directory)
            await self._traffic.update(record)
        else:
            sockets = HaproxySockets(directory.run)
            for name, state in configuration.states.items():
                if record.states.get(name) != state:
                    await sockets.set_server_state(name, state)
        self._records.save(replace(record, loaded=configuration.fixed, states=configuration.states))
        await self._fabric_updater.send_network_state()

    async def _restart(
        self,
        record: LoadBalancerRecord,
        directory: LoadBalancerDirectory,
        user: ProcessUser | None,
        flavor: LoadBalancerFlavor,
        configuration: HaproxyConfiguration,
    ) -> None:
        """Start a load balancer, or replace its process."""
        await self._traffic.update(record)
        await self._processes.end(record)
        directory.accept_candidate()
        started = await self._start(record, directory, user, flavor)
        self._records.save(replace(started, loaded=configuration.fixed, states=configuration.states))

    async def _start(
        self,
        record: LoadBalancerRecord,
        directory: LoadBalancerDirectory,
        user: ProcessUser | None,
        flavor: LoadBalancerFlavor,
    ) -> LoadBalancerRecord:
        self._records.save(record)
        devices = self._plan_devices(self._save_nics(record))
        started = await self._processes.start(record, directory, user, devices, flavor)
        try:
            await self._fabric_updater.send_network_state()
        except (DriverError, OSError):
            # A process that runs counts as one that the network reaches.
            await self._processes.end(started)
            raise
        return started

    def _save_nics(self, record: LoadBalancerRecord) -> list[NicSpec]:
        """Save the ports that the load balancer has in the network, without applying that."""
        spec = record.load_balancer
        nics = used_nics(spec, self._fabric_updater.subnets_for_guests())
        self._state.delete_nics(spec.id)
        for nic in nics:
            self._state.save_nic(spec.id, nic)
        return nics

    def _plan_devices(self, nics: list[NicSpec]) -> dict[str, Any]:
        return plan_devices(nics, self._fabric_updater, prefix="lb")

    def _choose_user(self, spec: LoadBalancerSpec, previous: LoadBalancerRecord | None) -> ProcessUser | None:
        if previous and self._processes.is_running(previous):
            return self._user_of_process(previous)
        return self._client_users.user_of_client(spec.client_id)

    def _user_of_process(self, record: LoadBalancerRecord) -> ProcessUser | None:
        return self._client_users.user_with_id(record.user_id, record.load_balancer.client_id)

    def _require_flavor(self, spec: LoadBalancerSpec) -> LoadBalancerFlavor:
        flavor = self._catalogue.load_balancer_flavor(spec.flavor_name)
        if flavor is None:
            raise DriverError(f"The catalogue has no flavor {spec.flavor_name} of load balancers", retryable=False)
        return flavor

    def _open_directory(self, load_balancer_id: str, user: ProcessUser | None) -> LoadBalancerDirectory:
        return LoadBalancerDirectory(self._directory.load_balancer_directory(load_balancer_id), user)

    def _lock_path(self, load_balancer_id: str) -> Path:
        return self._directory.load_balancer_directory(load_balancer_id).with_suffix(".lock")


def operating_status(status: str) -> str:
    """Return the operating status of a server by HAProxy's word, such as `UP 1/3` or `MAINT (via …)`."""
    return STATUSES.get(status.split(" ", 1)[0], OperatingStatus.NO_MONITOR).value


def _limits(flavor: LoadBalancerFlavor) -> HaproxyLimits:
    threads = max(min(flavor.vcpus, len(os.sched_getaffinity(0))), 1)
    # A connection has two ends, and some files are for other things.
    most = max(count_open_files() // 2 - RESERVED_FILES, 1)
    return HaproxyLimits(threads=threads, connections=min(flavor.ram * CONNECTIONS_PER_MIB, most))


def _has_other_machines(previous: LoadBalancerRecord, spec: LoadBalancerSpec) -> bool:
    former = previous.load_balancer
    return (former.flavor_name, former.machine_generation) != (spec.flavor_name, spec.machine_generation)
