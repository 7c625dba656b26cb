"""Volumes and snapshots of the simulated cloud."""

from typing import Any

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.simulated.state import SimulationState


class SimulatedStorage(SimulationState):
    """Fulfils the Protocols of `drivers/protocols/storage.py`."""

    async def ensure_volume(self, disk: DiskSpec) -> None:
        """Create a volume."""
        if self._db.execute("SELECT 1 FROM volumes WHERE id = ?", (disk.id,)).fetchone() is None:
            await self._take_time("volume")
            self._db.execute(
                "INSERT OR IGNORE INTO volumes (id, size, type_name) VALUES (?, ?, ?)",
                (disk.id, disk.size, disk.type_name),
            )

    async def ensure_no_volume(self, volume_id: str) -> None:
        """Delete a volume."""
        self._db.execute("DELETE FROM volumes WHERE id = ?", (volume_id,))

    async def ensure_volume_attachment(self, machine_id: str, disk: DiskSpec) -> None:
        """Attach a volume."""
        row = self._db.execute("SELECT machine_id FROM volumes WHERE id = ?", (disk.id,)).fetchone()
        if row is None:
            raise DriverError(f"Volume {disk.id} does not exist", retryable=False)
        if row[0] not in (None, machine_id):
            raise DriverError(f"Volume {disk.id} is attached to another machine", retryable=False)
        if row[0] is None:
            await self._take_time("attach")
            self._db.execute("UPDATE volumes SET machine_id = ? WHERE id = ?", (machine_id, disk.id))

    async def ensure_no_volume_attachment(self, machine_id: str, volume_id: str) -> None:
        """Detach a volume."""
        self._db.execute(
            "UPDATE volumes SET machine_id = NULL WHERE id = ? AND machine_id = ?", (volume_id, machine_id)
        )

    async def ensure_volume_size(self, volume_id: str, size_gib: int) -> None:
        """Set a volume's size."""
        if self._column_of_volume("size", volume_id) != size_gib:
            await self._take_time("extend")
            self._db.execute("UPDATE volumes SET size = ? WHERE id = ?", (size_gib, volume_id))

    async def ensure_volume_type(self, volume_id: str, type_name: str) -> None:
        """Set a volume's type."""
        if self._column_of_volume("type_name", volume_id) != type_name:
            await self._take_time("retype")
            self._db.execute("UPDATE volumes SET type_name = ? WHERE id = ?", (type_name, volume_id))

    async def ensure_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Take a snapshot."""
        size = self._column_of_volume("size", volume_id)
        if self._db.execute("SELECT 1 FROM snapshots WHERE id = ?", (snapshot_id,)).fetchone() is None:
            await self._take_time("snapshot")
            self._db.execute("INSERT OR IGNORE INTO snapshots VALUES (?, ?, ?)", (snapshot_id, volume_id, size))

    async def ensure_no_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        self._db.execute("DELETE FROM snapshots WHERE id = ?", (snapshot_id,))

    async def ensure_reverted_volume(self, volume_id: str, snapshot_id: str, request_id: str) -> None:
        """Record that a volume was reverted; it has no content."""
        if self._column_of_volume("reverted_for", volume_id) == request_id:
            return
        if self._db.execute("SELECT 1 FROM snapshots WHERE id = ?", (snapshot_id,)).fetchone() is None:
            raise DriverError(f"Snapshot {snapshot_id} does not exist", retryable=False)
        await self._take_time("revert")
        self._db.execute("UPDATE volumes SET reverted_for = ? WHERE id = ?", (request_id, volume_id))

    def volume_size_type_machine_and_revert(self, volume_id: str) -> tuple[int, str, str | None, str | None] | None:
        """Return a volume's size, type, machine, and the request of its last revert."""
        row: tuple[int, str, str | None, str | None] | None = self._db.execute(
            "SELECT size, type_name, machine_id, reverted_for FROM volumes WHERE id = ?", (volume_id,)
        ).fetchone()
        return row

    def volume_ids_by_snapshot_id(self) -> dict[str, str]:
        """Return the volume of each snapshot."""
        return dict(self._db.execute("SELECT id, volume_id FROM snapshots ORDER BY id").fetchall())

    def _column_of_volume(self, column: str, volume_id: str) -> Any:
        row = self._db.execute(f"SELECT {column} FROM volumes WHERE id = ?", (volume_id,)).fetchone()
        if row is None:
            raise DriverError(f"Volume {volume_id} does not exist", retryable=False)
        return row[0]
