"""Images of tenants: downloaded, checked and stored as base images."""

from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.protocols.images import ImageSource, OnProgress, StoredImage
from pileus.drivers.qemu.base_images import BaseImages
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.file_ownership import take_file
from pileus.drivers.qemu.paths import DataDirectory, atomic_write, open_without_following_symlink
from pileus.drivers.qemu.storage_records import StorageRecords
from pileus.drivers.qemu.users import ProcessUser
from pileus.drivers.qemu.volume_copies import VolumeCopier
from pileus.outbound.image_formats import require_allowed_format


class ImageFiles:
    """Creates and deletes images of tenants."""

    def __init__(  # noqa: PLR0913  # the parts of the driver that it uses
        self,
        directory: DataDirectory,
        client_users: ClientUsers,
        *,
        records: StorageRecords,
        base_images: BaseImages,
        copier: VolumeCopier,
        download_limits: DownloadLimits,
    ) -> None:
        self._directory, self._records, self._download_limits = directory, records, download_limits
        self._client_users, self._base_images, self._copier = client_users, base_images, copier

    async def ensure_image(self, image_id: str, source: ImageSource, on_progress: OnProgress) -> StoredImage:
        """Download an image, or copy a volume with all that its base holds."""
        if image := self._records.find_image(image_id):
            return image
        user = self._client_users.user_of_client(source.client_id)
        if source.volume_id is not None:
            image = await self._copy_volume(image_id, source.volume_id, user)
        else:
            image = await self._download(image_id, source.url or "", on_progress, user)
        self._client_users.record_file(image_id, source.client_id)
        self._records.add_image(image_id, image)
        return image

    async def ensure_no_image(self, image_id: str) -> None:
        """Delete an image; its file stays while volumes or snapshots use it."""
        self._records.delete_image(image_id)
        self._client_users.delete_file(image_id)
        if self._directory.image_file(image_id).exists():
            self._records.mark_base_for_removal(image_id)
        self._base_images.collect_garbage()

    async def _download(
        self, image_id: str, url: str, on_progress: OnProgress, user: ProcessUser | None
    ) -> StoredImage:
        """Store a download unread, and examine it only when it is complete.

        The size of an image is that of the download or of what is stored, whichever is larger.
        """
        # Imported late: few servers download images, and the library makes their start slower.
        from pileus.outbound.downloads import fetch_image  # noqa: PLC0415  # see above

        path = self._directory.image_file(image_id).with_suffix(".fetched")
        try:
            with open_without_following_symlink(path, "wb") as file:
                download = await fetch_image(url, self._download_limits, on_progress, file=file)
            limits = self._download_limits
            image_format = require_allowed_format(download.head, download.size, limits.max_virtual_bytes)

            async def report_written(written: int) -> None:
                await on_progress(download.size, max(download.size, written))

            await self._base_images.import_base(
                path, image_format.name, image_id, user, limits=limits, report_written=report_written
            )
        finally:
            path.unlink(missing_ok=True)
        virtual_size = await self._base_images.virtual_size(image_id, user)
        return StoredImage(
            size=max(download.size, self._directory.image_file(image_id).stat().st_size),
            virtual_size=virtual_size,
            disk_format=image_format.name,
            checksum=download.checksum,
        )

    async def _copy_volume(self, image_id: str, volume_id: str, user: ProcessUser | None) -> StoredImage:
        path = self._directory.image_file(image_id)
        with atomic_write(path) as new:
            await self._copier.copy(volume_id, new, None)
            take_file(new, user)
        virtual_size = await self._base_images.virtual_size(image_id, user)
        return StoredImage(size=path.stat().st_size, virtual_size=virtual_size, disk_format="qcow2")
