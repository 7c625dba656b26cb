"""Snapshots as qcow2 files: copies of volumes, taken at one moment while a machine goes on writing."""

from pathlib import Path

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.base_images import BaseImages, share_base
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.file_ownership import give_file, share_file, take_file
from pileus.drivers.qemu.paths import DataDirectory, atomic_write
from pileus.drivers.qemu.qemu_img import QemuImg
from pileus.drivers.qemu.storage_records import StorageRecords
from pileus.drivers.qemu.volume_copies import VolumeCopier


class SnapshotFiles:
    """Takes and deletes snapshots, and reverts volumes to them."""

    def __init__(  # noqa: PLR0913  # the parts of the driver that it uses
        self,
        directory: DataDirectory,
        client_users: ClientUsers,
        *,
        qemu_img: QemuImg,
        records: StorageRecords,
        base_images: BaseImages,
        copier: VolumeCopier,
    ) -> None:
        self._directory, self._qemu_img, self._records = directory, qemu_img, records
        self._client_users, self._base_images, self._copier = client_users, base_images, copier

    async def ensure_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Take a snapshot: copy all that the volume has written over its base."""
        if self._records.has_snapshot(snapshot_id):
            return
        async with self._base_images.reserve(snapshot_id, lambda: self._records.get_volume(volume_id).base) as base:
            with atomic_write(self._directory.snapshot_file(snapshot_id)) as new:
                await self._copier.copy(volume_id, new, self._base_images.base_file(base))
                take_file(new, self._client_users.user_of_file(volume_id))
            self._client_users.copy_file_record(volume_id, snapshot_id)
            self._records.add_snapshot(snapshot_id, volume_id, base)

    async def ensure_no_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot; volumes made from it are copies and stay."""
        self._records.delete_snapshot(snapshot_id)
        self._client_users.delete_file(snapshot_id)
        self._directory.snapshot_file(snapshot_id).unlink(missing_ok=True)
        self._base_images.collect_garbage()

    async def ensure_reverted_volume(self, volume_id: str, snapshot_id: str, request_id: str) -> None:
        """Replace a detached volume by a copy of a snapshot, at its present size, once for a request."""
        volume = self._records.get_volume(volume_id)
        if volume.reverted_for == request_id:
            return
        if volume.machine_id is not None:
            raise DriverError(f"Volume {volume_id} is attached: only a free one can be reverted", retryable=False)
        async with self._base_images.reserve(volume_id, lambda: self._records.snapshot_base(snapshot_id)) as base:
            await self._replace_volume(volume_id, snapshot_id, self._base_images.base_file(base))
            self._records.record_revert(volume_id, request_id, base)

    async def _replace_volume(self, volume_id: str, snapshot_id: str, base_path: Path | None) -> None:
        """Replace the file of a volume by a copy of a snapshot."""
        path, snapshot_path = self._directory.volume_file(volume_id), self._directory.snapshot_file(snapshot_id)
        user = self._client_users.user_of_file(volume_id)
        give_file(path, user)
        share_file(snapshot_path, user)
        share_base(base_path, user)
        qemu_img = self._qemu_img.as_user(user)
        with atomic_write(path) as new:
            await qemu_img.copy(snapshot_path, new, base_path)
            if await qemu_img.virtual_size(new) < (size := await qemu_img.virtual_size(path)):
                await qemu_img.resize(new, size)
