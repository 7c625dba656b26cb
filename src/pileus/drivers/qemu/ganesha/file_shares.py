"""File shares as tasks change them: one lock each, one process each, one file system each."""

import asyncio
import logging
import os
import shutil
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from msgspec.structs import replace

from pileus.domain.ip_addresses import ip_address
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import FileShareSpec, ShareAccess
from pileus.drivers.qemu.cgroups import remove_cgroup
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.ganesha.configuration import export_path
from pileus.drivers.qemu.ganesha.images import ShareImages
from pileus.drivers.qemu.ganesha.processes import GaneshaProcesses
from pileus.drivers.qemu.ganesha.programs import GaneshaPrograms
from pileus.drivers.qemu.ganesha.records import FileShareRecord, FileShareRecords
from pileus.drivers.qemu.ganesha.sandbox import IMAGE
from pileus.drivers.qemu.log_files import ganesha_log
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.namespaces.devices import plan_devices
from pileus.drivers.qemu.namespaces.processes import NamespaceProcesses
from pileus.drivers.qemu.namespaces.restarts import Restarts
from pileus.drivers.qemu.paths import POLL_INTERVAL, PRIVATE, TRAVERSABLE, try_lock, wait_for_lock
from pileus.drivers.qemu.state import QemuStateFile

LOG = logging.getLogger(__name__)
TYPE = "standard"
"""The type of file shares that have an address in a network of the tenant."""


class GaneshaFileShares:
    """Creates, changes and deletes file shares, and starts those again whose process has ended."""

    def __init__(self, control: MachineControl, state: QemuStateFile, fabric_updater: FabricUpdater) -> None:
        self._directory, self._state, self._fabric_updater = control.directory, state, fabric_updater
        self.records, self._programs = FileShareRecords(state), GaneshaPrograms(is_root=os.geteuid() == 0)
        namespaces = NamespaceProcesses(control.directory, control.children, self._programs)
        self._processes = GaneshaProcesses(control.directory, namespaces, self.records)
        self._images, self._restarts = ShareImages(self._programs), Restarts("file share")

    async def find_obstacle(self, type_name: str) -> str | None:
        """Return why no file share of a type can be created on this host."""
        if type_name != TYPE:
            return f"Real machines have file shares of type {TYPE} alone"
        return None if self._programs.works else await asyncio.to_thread(self._programs.find_obstacle)

    async def ensure_file_share(self, share: FileShareSpec) -> str:
        """Create a file share, or resize its file system, which interrupts it. Raises DriverError."""
        if obstacle := await self.find_obstacle(share.type_name):
            raise DriverError(obstacle, retryable=False)
        if share.ip_address is None or ip_address(share.ip_address).version == 6:
            raise DriverError(f"File share {share.id} has no IPv4 address", retryable=False)
        async with self.lock(share.id):
            previous = self.records.find(share.id) or FileShareRecord(share=share)
            record = replace(previous, share=share)
            self._create_directory(share.id)
            self.records.save(record)
            if record.image_size != share.size:
                record = await self._resize(record)
            if self._processes.is_running(record):
                # An attempt that was cancelled may have started it without the rest.
                await self._processes.wait_until_served(record)
                await self._fabric_updater.send_network_state()
            else:
                await self._start(record)
        return f"{share.ip_address}:{export_path(share.id)}"

    async def ensure_no_file_share(self, share_id: str) -> None:
        """End and delete a file share with its content."""
        async with self.lock(share_id):
            if (record := self.records.find(share_id)) is not None:
                await self._processes.end(record)
            self._state.delete_nics(share_id)
            self.records.delete(share_id)
            await self._fabric_updater.send_network_state()
            remove_cgroup(share_id)
            shutil.rmtree(self._directory.file_share_directory(share_id), ignore_errors=True)
            ganesha_log(self._directory.folder, share_id).unlink(missing_ok=True)
        self._lock_path(share_id).unlink(missing_ok=True)

    async def ensure_share_access(self, access: ShareAccess) -> None:
        """Grant access to a file share. Raises DriverError if there is none, or if the access is not granted."""
        async with self.lock(access.file_share_id):
            record = self.records.find(access.file_share_id)
            if record is None:
                raise DriverError(f"File share {access.file_share_id} does not exist", retryable=False)
            try:
                await self._apply_rules(record, {**record.rules, access.id: access})
            except DriverError:
                # The caller forgets the rule, and nobody could ever revoke it.
                await self._restore_rules(record)
                raise

    async def ensure_no_share_access(self, share_id: str, access_id: str) -> None:
        """Revoke access to a file share."""
        async with self.lock(share_id):
            if (record := self.records.find(share_id)) is not None:
                rules = {rule_id: rule for rule_id, rule in record.rules.items() if rule_id != access_id}
                await self._apply_rules(record, rules)

    async def restart_ended(self) -> None:
        """Start all file shares again whose process has ended."""
        ended_ids = [
            share_id
            for share_id, record in self.records.by_id().items()
            if record.image_size and not self._processes.is_running(record)
        ]
        await self._restarts.restart_ended(ended_ids, self._start_again)

    def lock(self, share_id: str) -> AbstractAsyncContextManager[None]:
        """Lock a file share, in all processes of the server."""
        return wait_for_lock(self._lock_path(share_id), POLL_INTERVAL)

    async def _resize(self, record: FileShareRecord) -> FileShareRecord:
        """Create or resize the file system. Until that is done, the file share is not started again."""
        await self._processes.end(record)
        image = self._image(record.share.id)
        if image.exists():
            await self._images.wait_until_unmounted(image)
        self.records.save(replace(record, image_size=None))
        await self._images.ensure_size(image, record.share.size)
        resized = replace(record, image_size=record.share.size)
        self.records.save(resized)
        return resized

    async def _apply_rules(self, record: FileShareRecord, rules: dict[str, ShareAccess]) -> None:
        changed = replace(record, rules=rules)
        self.records.save(changed)
        try:
            if self._processes.is_running(changed):
                await self._processes.reload(changed)
            elif changed.image_size:
                await self._start(changed)
        except OSError as problem:
            message = f"The access rules of a file share cannot be changed: {problem.strerror}"
            raise DriverError(message, retryable=True) from problem

    async def _restore_rules(self, record: FileShareRecord) -> None:
        # A start in vain has counted in the record.
        restored = replace(self.records.find(record.share.id) or record, rules=record.rules)
        self.records.save(restored)
        await self._processes.restore_rules(restored)

    async def _start_again(self, share_id: str) -> None:
        """Start a file share, unless a task is changing it."""
        descriptor = try_lock(self._lock_path(share_id))
        if descriptor is None:
            return
        try:
            record = self.records.find(share_id)
            if record is not None and record.image_size and not self._processes.is_running(record):
                LOG.info("A file share is started again", extra={"file_share_id": share_id})
                await self._start(record)
        finally:
            os.close(descriptor)

    async def _start(self, record: FileShareRecord) -> None:
        await self._images.wait_until_unmounted(self._image(record.share.id))
        self._state.delete_nics(record.share.id)
        self._state.save_nic(record.share.id, record.nic)
        devices = plan_devices([record.nic], self._fabric_updater, prefix="nfs")
        started = await self._processes.start(record, devices)
        try:
            await self._fabric_updater.send_network_state()
        except (DriverError, OSError):
            # A process that runs counts as one that the network reaches.
            await self._processes.end(started)
            raise

    def _create_directory(self, share_id: str) -> None:
        folder = self._directory.file_share_directory(share_id)
        folder.mkdir(exist_ok=True, mode=PRIVATE)
        # The fabric opens the socket of the devices in it.
        folder.chmod(TRAVERSABLE)

    def _image(self, share_id: str) -> Path:
        return self._directory.file_share_directory(share_id) / IMAGE

    def _lock_path(self, share_id: str) -> Path:
        return self._directory.file_share_directory(share_id).with_suffix(".lock")
