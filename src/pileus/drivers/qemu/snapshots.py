"""Snapshots: copies of what a volume had written on its image, taken while a machine writes on."""

import asyncio
from pathlib import Path

from pileus.drivers.protocols.compute import DriverError
from pileus.drivers.qemu.arguments import name
from pileus.drivers.qemu.host import SOON
from pileus.drivers.qemu.monitor import Monitor
from pileus.drivers.qemu.paths import atomic_write
from pileus.drivers.qemu.volumes import Volumes

JOB, TARGET = "copy", "copy-target"
OFTEN = 0.1
"""Seconds between two looks at how far a copy is."""


class Snapshots(Volumes):
    """The part that takes and keeps them: Snapshots."""

    async def ensure_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Copy what a volume holds at this moment, in use or not."""
        base = self.existing_volume(volume_id)[0]
        if self._db.execute("SELECT 1 FROM snapshots WHERE id = ?", (snapshot_id,)).fetchone():
            return
        with atomic_write(self.home.snapshot(snapshot_id)) as new:
            await self.copied(volume_id, new, self.base(base))
        self._db.execute("INSERT OR IGNORE INTO snapshots VALUES (?, ?, ?)", (snapshot_id, volume_id, base))

    async def ensure_no_snapshot(self, snapshot_id: str) -> None:
        """Destroy a snapshot; what was made from it is a copy."""
        self._db.execute("DELETE FROM snapshots WHERE id = ?", (snapshot_id,))
        self.home.snapshot(snapshot_id).unlink(missing_ok=True)
        self.collect_garbage()

    async def ensure_reverted(self, volume_id: str, snapshot_id: str, request: str) -> None:
        """Put a copy of a snapshot in a free volume's place, as large as the volume is, once for a request."""
        _, machine_id, done_for = self.existing_volume(volume_id)
        if done_for == request:
            return
        base = self.snapshot_base(snapshot_id)
        if machine_id is not None:
            raise DriverError(f"Volume {volume_id} is attached: only a free one can be reverted", retryable=False)
        path = self.home.volume(volume_id)
        with atomic_write(path) as new:
            await self.qemu_img.copy(self.home.snapshot(snapshot_id), new, self.base(base))
            if await self.qemu_img.size(new) < (size := await self.qemu_img.size(path)):
                await self.qemu_img.resize(new, size)
        self._db.execute("UPDATE volumes SET reverted_for = ?, base = ? WHERE id = ?", (request, base, volume_id))

    async def copied(self, volume_id: str, path: Path, base: Path | None) -> None:
        """Copy a volume as it is at this moment; what its base has is left there, if that is named."""
        machine_id = self.existing_volume(volume_id)[1]
        if machine_id is None:
            await self.qemu_img.copy(self.home.volume(volume_id), path, base)
            return
        async with self.machine_lock(machine_id):
            if not self.is_running(machine_id, self.known(machine_id)):
                await self.qemu_img.copy(self.home.volume(volume_id), path, base)
                return
            await self.qemu_img.create(path, await self.qemu_img.size(self.home.volume(volume_id)), base)
            async with self.asked(machine_id) as monitor:
                await _backed_up(monitor, name("v", volume_id), path, "top" if base else "full")


async def _backed_up(monitor: Monitor, node: str, path: Path, what: str) -> None:
    """Let a machine copy one of its disks into a file while it writes on; raises DriverError."""
    near = f"../../{path.parent.name}/{path.name}"
    target = {"driver": "qcow2", "node-name": TARGET, "file": {"driver": "file", "filename": near}}
    job = {"job-id": JOB, "device": node, "target": TARGET, "sync": what, "auto-dismiss": False}
    await _cleared(monitor)
    await monitor.do("blockdev-add", target)
    try:
        await monitor.do("blockdev-backup", job)
        await _concluded(monitor)
    finally:
        await _cleared(monitor)


async def _concluded(monitor: Monitor) -> None:
    """Wait for the end of the copy; raises DriverError if it failed."""
    while True:
        (job,) = [each for each in await monitor.do("query-jobs") if each["id"] == JOB]
        if job["status"] == "concluded":
            break
        await asyncio.sleep(OFTEN)
    if "error" in job:
        raise DriverError(f"The volume could not be copied: {job['error']}", retryable=False)


async def _cleared(monitor: Monitor) -> None:
    """Leave nothing of a copy, finished or broken off, in the machine."""
    status = await _status(monitor)
    if status not in (None, "concluded"):
        await monitor.do("job-cancel", {"id": JOB})
    while status not in (None, "concluded"):
        await asyncio.sleep(SOON)
        status = await _status(monitor)
    if status is not None:
        await monitor.do("job-dismiss", {"id": JOB})
    nodes = await monitor.do("query-named-block-nodes", {"flat": True})
    if any(each["node-name"] == TARGET for each in nodes):
        await monitor.do("blockdev-del", {"node-name": TARGET})


async def _status(monitor: Monitor) -> str | None:
    """How far the copy is, in QEMU's words; None without one."""
    return next((each["status"] for each in await monitor.do("query-jobs") if each["id"] == JOB), None)
