"""Records of volumes, snapshots and images in the state file.

A `base` is the file of an image that a volume or a snapshot is an overlay on.
"""

from msgspec import Struct

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import StoredImage
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.qemu.state import QemuStateFile


class VolumeRecord(Struct, frozen=True):
    """A volume: its base, the machine it is attached to, and the request that it was last reverted for."""

    base: str | None
    machine_id: str | None
    reverted_for: str | None


class StorageRecords:
    """The records of all volumes, snapshots and images."""

    def __init__(self, state: QemuStateFile) -> None:
        self._db = state.db

    def find_volume(self, volume_id: str) -> VolumeRecord | None:
        """Return a volume, or None."""
        row = self._db.execute(
            "SELECT base, machine_id, reverted_for FROM volumes WHERE id = ?", (volume_id,)
        ).fetchone()
        return None if row is None else VolumeRecord(*row)

    def get_volume(self, volume_id: str) -> VolumeRecord:
        """Return a volume. Raises DriverError if there is none."""
        volume = self.find_volume(volume_id)
        if volume is None:
            raise DriverError(f"Volume {volume_id} does not exist", retryable=False)
        return volume

    def add_volume(self, disk: DiskSpec, base: str | None) -> None:
        """Insert a volume, unless another process has."""
        self._db.execute(
            "INSERT OR IGNORE INTO volumes (id, type_name, base) VALUES (?, ?, ?)", (disk.id, disk.type_name, base)
        )

    def delete_volume(self, volume_id: str) -> None:
        """Delete a volume."""
        self._db.execute("DELETE FROM volumes WHERE id = ?", (volume_id,))
        self.release_base(volume_id)

    def set_volume_type(self, volume_id: str, type_name: str) -> None:
        """Change the type of a volume."""
        self._db.execute("UPDATE volumes SET type_name = ? WHERE id = ?", (type_name, volume_id))

    def record_revert(self, volume_id: str, request_id: str, base: str | None) -> None:
        """Record that a volume was reverted for a request, and its new base."""
        self._db.execute("UPDATE volumes SET reverted_for = ?, base = ? WHERE id = ?", (request_id, base, volume_id))

    def check_attachable(self, machine_id: str, volume_id: str) -> None:
        """Raise DriverError if a volume does not exist or is attached to another machine."""
        if self.get_volume(volume_id).machine_id not in (None, machine_id):
            raise DriverError(f"Volume {volume_id} is attached to another machine", retryable=False)

    def attach_volume(self, machine_id: str, disk: DiskSpec) -> None:
        """Record a volume as attached. Raises DriverError if it is attached to another machine."""
        self.check_attachable(machine_id, disk.id)
        self._db.execute(
            "UPDATE volumes SET machine_id = ?, boot_index = ? WHERE id = ?", (machine_id, disk.boot_index, disk.id)
        )

    def detach_volume(self, volume_id: str) -> None:
        """Record a volume as detached."""
        self._db.execute("UPDATE volumes SET machine_id = NULL, boot_index = -1 WHERE id = ?", (volume_id,))

    def detach_volumes(self, machine_id: str) -> None:
        """Record all volumes of a machine as detached."""
        self._db.execute("UPDATE volumes SET machine_id = NULL, boot_index = -1 WHERE machine_id = ?", (machine_id,))

    def volume_ids_and_boot_indexes(self, machine_id: str) -> list[tuple[str, int]]:
        """Return the ids and boot indexes of a machine's volumes, in boot order."""
        return self._db.execute(
            "SELECT id, boot_index FROM volumes WHERE machine_id = ? ORDER BY boot_index < 0, boot_index, rowid",
            (machine_id,),
        ).fetchall()

    def has_snapshot(self, snapshot_id: str) -> bool:
        """Return whether there is a snapshot."""
        return self._db.execute("SELECT 1 FROM snapshots WHERE id = ?", (snapshot_id,)).fetchone() is not None

    def snapshot_base(self, snapshot_id: str) -> str | None:
        """Return the base of a snapshot, if it has one. Raises DriverError if there is no such snapshot."""
        row = self._db.execute("SELECT base FROM snapshots WHERE id = ?", (snapshot_id,)).fetchone()
        if row is None:
            raise DriverError(f"Snapshot {snapshot_id} does not exist", retryable=False)
        return None if row[0] is None else str(row[0])

    def add_snapshot(self, snapshot_id: str, volume_id: str, base: str | None) -> None:
        """Insert a snapshot, unless another process has."""
        self._db.execute("INSERT OR IGNORE INTO snapshots VALUES (?, ?, ?)", (snapshot_id, volume_id, base))

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        self._db.execute("DELETE FROM snapshots WHERE id = ?", (snapshot_id,))
        self.release_base(snapshot_id)

    def find_image(self, image_id: str) -> StoredImage | None:
        """Return an image of a tenant, or None."""
        row = self._db.execute(
            "SELECT size, virtual_size, disk_format, checksum FROM images WHERE id = ?", (image_id,)
        ).fetchone()
        return row and StoredImage(size=row[0], virtual_size=row[1], disk_format=row[2], checksum=row[3])

    def add_image(self, image_id: str, image: StoredImage) -> None:
        """Insert an image, unless another process has; its file is in use again."""
        row = (image_id, image.size, image.virtual_size, image.disk_format, image.checksum)
        self._db.execute("DELETE FROM dropped_images WHERE base = ?", (image_id,))
        self._db.execute("INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?)", row)

    def delete_image(self, image_id: str) -> None:
        """Delete an image."""
        self._db.execute("DELETE FROM images WHERE id = ?", (image_id,))

    def mark_base_for_removal(self, base: str) -> None:
        """Mark a base for removal once no volume and no snapshot uses it."""
        self._db.execute("INSERT OR IGNORE INTO dropped_images VALUES (?)", (base,))

    def reserve_base(self, copy_id: str, base: str) -> None:
        """Record that a volume or a snapshot is being written that will use a base."""
        self._db.execute("INSERT OR REPLACE INTO reserved_bases VALUES (?, ?)", (copy_id, base))

    def release_base(self, copy_id: str) -> None:
        """Delete the reservation of a volume or a snapshot."""
        self._db.execute("DELETE FROM reserved_bases WHERE copy_id = ?", (copy_id,))

    def removable_bases(self) -> list[str]:
        """Return the bases that are marked for removal, not reserved, and that no volume and no snapshot uses."""
        rows = self._db.execute(
            "SELECT base FROM dropped_images EXCEPT SELECT base FROM volumes EXCEPT SELECT base FROM snapshots"
            " EXCEPT SELECT base FROM reserved_bases"
        ).fetchall()
        return [base for (base,) in rows]

    def delete_removal_mark(self, base: str) -> None:
        """Delete the mark of a base that was removed."""
        self._db.execute("DELETE FROM dropped_images WHERE base = ?", (base,))
