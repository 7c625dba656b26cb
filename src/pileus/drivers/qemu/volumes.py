"""Volumes as qcow2 files: an overlay on an image, a copy of a snapshot, or blank.

A volume depends on the file of its base and on no other: snapshots, and volumes made from them, are copies.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pileus.domain.compute.images import bytes_to_gib
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.qemu.arguments import disk_node_name
from pileus.drivers.qemu.base_images import BaseImages, share_base
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.file_ownership import give_file, share_file
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.paths import atomic_write
from pileus.drivers.qemu.qemu_img import QemuImg
from pileus.drivers.qemu.storage_records import StorageRecords
from pileus.drivers.qemu.users import ProcessUser

GIB = 1 << 30


class VolumeFiles:
    """Creates, deletes and resizes volumes."""

    def __init__(
        self,
        control: MachineControl,
        client_users: ClientUsers,
        qemu_img: QemuImg,
        records: StorageRecords,
        base_images: BaseImages,
    ) -> None:
        self._control, self._directory = control, control.directory
        self._client_users, self._qemu_img = client_users, qemu_img
        self._records, self._base_images = records, base_images

    async def ensure_volume(self, disk: DiskSpec) -> None:
        """Create a volume, atomically."""
        if self._records.find_volume(disk.id):
            return
        async with self._keep_base(disk) as base:
            with atomic_write(self._directory.volume_file(disk.id)) as new:
                await self._write_content(disk, new, base, self._client_users.user_of_client(disk.client_id))
            self._client_users.record_file(disk.id, disk.client_id)
            self._records.add_volume(disk, base)

    async def ensure_no_volume(self, volume_id: str) -> None:
        """Delete a volume, and its base if nothing else uses that."""
        self._records.delete_volume(volume_id)
        self._client_users.delete_file(volume_id)
        self._directory.volume_file(volume_id).unlink(missing_ok=True)
        self._base_images.collect_garbage()

    async def ensure_volume_size(self, volume_id: str, size_gib: int) -> None:
        """Resize a volume; while a machine uses it, it can only grow."""
        machine_id = self._records.get_volume(volume_id).machine_id
        if machine_id is None:
            await self._resize_unused(volume_id, size_gib * GIB)
            return
        async with self._control.lock(machine_id):
            if not self._control.is_running(machine_id):
                await self._resize_unused(volume_id, size_gib * GIB)
                return
            async with self._control.require_monitor(machine_id) as monitor:
                await monitor.execute_command(
                    "block_resize", {"node-name": disk_node_name(volume_id), "size": size_gib * GIB}
                )

    async def ensure_volume_type(self, volume_id: str, type_name: str) -> None:
        """Record the type of a volume: on one host, all types are the same storage."""
        self._records.get_volume(volume_id)
        self._records.set_volume_type(volume_id, type_name)

    async def _resize_unused(self, volume_id: str, size: int) -> None:
        """Resize a volume that no machine uses."""
        path, user = self._directory.volume_file(volume_id), self._client_users.user_of_file(volume_id)
        give_file(path, user)
        qemu_img = self._qemu_img.as_user(user)
        if await qemu_img.virtual_size(path) != size:
            await qemu_img.resize(path, size)

    @asynccontextmanager
    async def _keep_base(self, disk: DiskSpec) -> AsyncIterator[str | None]:
        """Yield the base of a new volume, which stays until the end of the context; None without one."""
        if (snapshot_id := disk.snapshot_id) is not None:
            async with self._base_images.reserve(disk.id, lambda: self._records.snapshot_base(snapshot_id)) as base:
                yield base
        elif disk.image_id:
            async with self._base_images.lock():
                yield await self._base_images.ensure_base_of_image(disk.image_id)
        else:
            yield None

    async def _write_content(self, disk: DiskSpec, new: Path, base: str | None, user: ProcessUser | None) -> None:
        """Write the file of a new volume, as a user."""
        qemu_img, base_path = self._qemu_img.as_user(user), self._base_images.base_file(base)
        share_base(base_path, user)
        if disk.snapshot_id:
            snapshot_path = self._directory.snapshot_file(disk.snapshot_id)
            share_file(snapshot_path, user)
            await qemu_img.copy(snapshot_path, new, base_path)
        elif disk.image_id:
            await qemu_img.create(new, None, base_path)
        else:
            await qemu_img.create(new, disk.size * GIB)
            return
        await _extend(qemu_img, new, disk.size)


async def _extend(qemu_img: QemuImg, new: Path, size: int) -> None:
    """Extend a new volume to `size` GiB. Raises DriverError if its content is larger."""
    current = await qemu_img.virtual_size(new)
    if current > size * GIB:
        raise DriverError(
            f"The source of the volume has {bytes_to_gib(current)} GiB, and does not fit into {size}: an image's"
            " `min_disk` in the catalogue says how much it needs",
            retryable=False,
        )
    if current < size * GIB:
        await qemu_img.resize(new, size * GIB)
