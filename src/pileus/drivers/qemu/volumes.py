"""Volumes as files: an overlay on an image, a copy of a snapshot, or blank; hung on machines that run, too.

A volume stands on its image's file, and on nothing else: snapshots and what is made from them are copies.
"""

from contextlib import nullcontext
from pathlib import Path

from pileus.domain.compute.images import whole_gib
from pileus.drivers.protocols.compute import Disk, DriverError, Machine
from pileus.drivers.qemu.arguments import SLOTS, Plug, disk
from pileus.drivers.qemu.base_images import BaseImages
from pileus.drivers.qemu.hotplug import Hotplug
from pileus.drivers.qemu.paths import atomic_write

GIB = 1 << 30


class Volumes(BaseImages, Hotplug):
    """The part that keeps them: Volumes, Extends and Retypes."""

    SCHEMA = """
    CREATE TABLE IF NOT EXISTS volumes (
        id TEXT PRIMARY KEY, type_name TEXT NOT NULL, base TEXT, machine_id TEXT,
        boot_index INTEGER NOT NULL DEFAULT -1, reverted_for TEXT
    );
    CREATE TABLE IF NOT EXISTS snapshots (id TEXT PRIMARY KEY, volume_id TEXT NOT NULL, base TEXT);
    """

    async def ensure_volume(self, disk: Disk) -> None:
        """Make a volume, wholly or not at all."""
        if self._row(disk.id):
            return
        async with self.images_lock() if disk.image_id else nullcontext():
            with atomic_write(self.home.volume(disk.id)) as new:
                base = await self._content(disk, new)
            self._db.execute(
                "INSERT OR IGNORE INTO volumes (id, type_name, base) VALUES (?, ?, ?)", (disk.id, disk.type_name, base)
            )

    async def ensure_no_volume(self, volume_id: str) -> None:
        """Destroy a volume."""
        self._db.execute("DELETE FROM volumes WHERE id = ?", (volume_id,))
        self.home.volume(volume_id).unlink(missing_ok=True)
        self.collect_garbage()

    async def ensure_attached(self, machine_id: str, disk: Disk) -> None:
        """Hang a volume on a machine, and plug it in if it runs."""
        async with self.machine_lock(machine_id):
            known = self.existing(machine_id)
            self._take_hold(machine_id, disk)
            if self.is_running(machine_id, known):
                await self.plug(machine_id, self._plug(machine_id, disk.id, -1))

    async def ensure_detached(self, machine_id: str, volume_id: str) -> None:
        """Take a volume off a machine, when the guest has let go of it."""
        row = self._row(volume_id)
        if row is None or row[1] != machine_id:
            return
        async with self.machine_lock(machine_id):
            plug = self._plug(machine_id, volume_id, -1)
            if self.is_running(machine_id, self.known(machine_id)):
                await self.unplug(machine_id, plug)
            self._db.execute("UPDATE volumes SET machine_id = NULL, boot_index = -1 WHERE id = ?", (volume_id,))
            self.free_slot(plug.id)

    async def ensure_size(self, volume_id: str, size: int) -> None:
        """Give a volume so many GiB, in use or not; in use it can only grow."""
        machine_id, path = self.existing_volume(volume_id)[1], self.home.volume(volume_id)
        if await self.qemu_img.size(path) == size * GIB:
            return
        if machine_id is None:
            await self.qemu_img.resize(path, size * GIB)
            return
        async with self.machine_lock(machine_id):
            if not self.is_running(machine_id, self.known(machine_id)):
                await self.qemu_img.resize(path, size * GIB)
                return
            node = self._plug(machine_id, volume_id, -1).backend["node-name"]
            async with self.asked(machine_id) as monitor:
                await monitor.do("block_resize", {"node-name": node, "size": size * GIB})

    async def ensure_type(self, volume_id: str, type_name: str) -> None:
        """Let a volume be of a type: on one host, all are the same."""
        self.existing_volume(volume_id)
        self._db.execute("UPDATE volumes SET type_name = ? WHERE id = ?", (type_name, volume_id))

    def hung(self, machine: Machine) -> list[Plug]:
        """The disks that a machine starts with: those it is described with, and those that hang on it since."""
        for each in machine.disks:
            self._take_hold(machine.id, each)
        rows = self._db.execute(
            "SELECT id, boot_index FROM volumes WHERE machine_id = ? ORDER BY boot_index < 0, boot_index, rowid",
            (machine.id,),
        ).fetchall()
        return [self._plug(machine.id, volume_id, boot_index) for volume_id, boot_index in rows]

    def snapshot_base(self, snapshot_id: str) -> str | None:
        """The base that a snapshot stands on, if any; raises DriverError without the snapshot."""
        row = self._db.execute("SELECT base FROM snapshots WHERE id = ?", (snapshot_id,)).fetchone()
        if row is None:
            raise DriverError(f"Snapshot {snapshot_id} does not exist", retryable=False)
        return None if row[0] is None else str(row[0])

    def forget_disks(self, machine_id: str) -> None:
        """Take all volumes off a machine that is no more."""
        self._db.execute("UPDATE volumes SET machine_id = NULL, boot_index = -1 WHERE machine_id = ?", (machine_id,))

    def _take_hold(self, machine_id: str, disk: Disk) -> None:
        """Write down that a volume hangs on a machine; raises DriverError if it cannot."""
        holder = self.existing_volume(disk.id)[1]
        if holder not in (None, machine_id):
            raise DriverError(f"Volume {disk.id} is attached to another machine", retryable=False)
        self._db.execute(
            "UPDATE volumes SET machine_id = ?, boot_index = ? WHERE id = ?", (machine_id, disk.boot_index, disk.id)
        )

    def _plug(self, machine_id: str, volume_id: str, boot_index: int) -> Plug:
        device = disk(volume_id, 0).id
        return disk(volume_id, self.slot(machine_id, device, SLOTS), boot_index)

    async def _content(self, disk: Disk, new: Path) -> str | None:
        """Write a new volume's file; the name of the base that it stands on."""
        if disk.snapshot_id:
            base = self.snapshot_base(disk.snapshot_id)
            await self.qemu_img.copy(self.home.snapshot(disk.snapshot_id), new, self.base(base))
        elif disk.image_id:
            base = await self.base_of(disk.image_id)
            await self.qemu_img.create(new, None, self.base(base))
        else:
            await self.qemu_img.create(new, disk.size * GIB)
            return None
        await self._fitted(new, disk.size)
        return base

    async def _fitted(self, new: Path, size: int) -> None:
        """Give a new volume so many GiB; raises DriverError if that cuts its content off."""
        has = await self.qemu_img.size(new)
        if has > size * GIB:
            raise DriverError(
                f"What the volume is made from has {whole_gib(has)} GiB, and does not fit into {size}: an image's"
                " `min_disk` in the catalogue tells how much it needs",
                retryable=False,
            )
        if has < size * GIB:
            await self.qemu_img.resize(new, size * GIB)

    def _row(self, volume_id: str) -> tuple[str | None, str | None, str | None] | None:
        row: tuple[str | None, str | None, str | None] | None = self._db.execute(
            "SELECT base, machine_id, reverted_for FROM volumes WHERE id = ?", (volume_id,)
        ).fetchone()
        return row

    def existing_volume(self, volume_id: str) -> tuple[str | None, str | None, str | None]:
        """Base, machine and the request of the last revert of a volume; raises DriverError without it."""
        row = self._row(volume_id)
        if row is None:
            raise DriverError(f"Volume {volume_id} does not exist", retryable=False)
        return row
