"""Copies of volumes as they are at one moment: by qemu-img, or by QEMU's backup job while a machine uses them."""

import asyncio
from pathlib import Path

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.arguments import disk_node_name
from pileus.drivers.qemu.base_images import share_base
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.file_ownership import give_file
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.monitor import Monitor
from pileus.drivers.qemu.paths import POLL_INTERVAL
from pileus.drivers.qemu.qemu_img import QemuImg
from pileus.drivers.qemu.storage_records import StorageRecords

JOB, TARGET = "copy", "copy-target"
JOB_POLL_INTERVAL = 0.1
"""Seconds."""


class VolumeCopier:
    """Copies volumes, in use or not."""

    def __init__(
        self, control: MachineControl, qemu_img: QemuImg, records: StorageRecords, client_users: ClientUsers
    ) -> None:
        self._control, self._qemu_img, self._records = control, qemu_img, records
        self._directory, self._client_users = control.directory, client_users

    async def copy(self, volume_id: str, path: Path, base: Path | None) -> None:
        """Copy a volume to a file: all of it, or only what it has written over `base`.

        The file belongs to the user that reads the volume.
        """
        machine_id = self._records.get_volume(volume_id).machine_id
        if machine_id is None:
            await self._copy_unused(volume_id, path, base)
            return
        async with self._control.lock(machine_id):
            if not self._control.is_running(machine_id):
                await self._copy_unused(volume_id, path, base)
                return
            qemu_img = self._qemu_img.as_user(self._client_users.user_of_process(self._control.records.get(machine_id)))
            size = await qemu_img.virtual_size(self._directory.volume_file(volume_id))
            await qemu_img.create(path, size, base)
            async with self._control.require_monitor(machine_id) as monitor:
                await _back_up(monitor, disk_node_name(volume_id), path, "top" if base else "full")

    async def _copy_unused(self, volume_id: str, path: Path, base: Path | None) -> None:
        """Copy a volume that no machine uses."""
        volume_path, user = self._directory.volume_file(volume_id), self._client_users.user_of_file(volume_id)
        base_id = self._records.get_volume(volume_id).base
        give_file(volume_path, user)
        share_base(self._directory.image_file(base_id) if base_id else None, user)
        await self._qemu_img.as_user(user).copy(volume_path, path, base)


async def _back_up(monitor: Monitor, node: str, path: Path, sync: str) -> None:
    """Make a machine copy one of its disks to a file. Raises DriverError."""
    relative_path = f"../../{path.parent.name}/{path.name}"
    target = {"driver": "qcow2", "node-name": TARGET, "file": {"driver": "file", "filename": relative_path}}
    job = {"job-id": JOB, "device": node, "target": TARGET, "sync": sync, "auto-dismiss": False}
    await _remove_job(monitor)
    await monitor.execute_command("blockdev-add", target)
    try:
        await monitor.execute_command("blockdev-backup", job)
        await _wait_for_job(monitor)
    finally:
        await _remove_job(monitor)


async def _wait_for_job(monitor: Monitor) -> None:
    """Wait for the end of the backup job. Raises DriverError if it has failed."""
    while True:
        (job,) = [job for job in await monitor.execute_command("query-jobs") if job["id"] == JOB]
        if job["status"] == "concluded":
            break
        await asyncio.sleep(JOB_POLL_INTERVAL)
    if "error" in job:
        raise DriverError(f"The volume could not be copied: {job['error']}", retryable=False)


async def _remove_job(monitor: Monitor) -> None:
    """Remove the backup job, finished or not, and its target."""
    status = await _job_status(monitor)
    if status not in (None, "concluded"):
        await monitor.execute_command("job-cancel", {"id": JOB})
    while status not in (None, "concluded"):
        await asyncio.sleep(POLL_INTERVAL)
        status = await _job_status(monitor)
    if status is not None:
        await monitor.execute_command("job-dismiss", {"id": JOB})
    nodes = await monitor.execute_command("query-named-block-nodes", {"flat": True})
    if any(node["node-name"] == TARGET for node in nodes):
        await monitor.execute_command("blockdev-del", {"node-name": TARGET})


async def _job_status(monitor: Monitor) -> str | None:
    """Return the status of the backup job (`JobStatus` of QMP); None without a job."""
    return next((job["status"] for job in await monitor.execute_command("query-jobs") if job["id"] == JOB), None)
