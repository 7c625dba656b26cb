"""Volumes and snapshots of the simulated cloud."""

from msgspec.structs import replace

from pileus.domain.simulated_cloud import SimulatedSnapshot, SimulatedVolume
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.records import Records
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.simulated.state import SimulationState


class SimulatedStorage(SimulationState):
    """Fulfils the Protocols of `drivers/protocols/storage.py`."""

    async def ensure_volume(self, disk: DiskSpec) -> None:
        """Create a volume."""

        async def plan(records: Records) -> str | None:
            return None if await records.find(SimulatedVolume, id=disk.id) else "volume"

        volume = SimulatedVolume(id=disk.id, size=disk.size, type_name=disk.type_name)
        await self._change(plan, lambda records: records.save(volume), new=volume)

    async def ensure_no_volume(self, volume_id: str) -> None:
        """Delete a volume."""
        await self._record_store.write(lambda records: records.remove(SimulatedVolume, id=volume_id))

    async def ensure_volume_attachment(self, machine_id: str, disk: DiskSpec) -> None:
        """Attach a volume."""

        async def plan(records: Records) -> str | None:
            volume = await require_volume(records, disk.id)
            if volume.machine_id not in (None, machine_id):
                raise DriverError(f"Volume {disk.id} is attached to another machine", retryable=False)
            return None if volume.machine_id else "attach"

        await self._change(
            plan, lambda records: records.update(SimulatedVolume, {"machine_id": machine_id}, id=disk.id)
        )

    async def ensure_no_volume_attachment(self, machine_id: str, volume_id: str) -> None:
        """Detach a volume."""
        await self._record_store.write(
            lambda records: records.update(SimulatedVolume, {"machine_id": None}, id=volume_id, machine_id=machine_id)
        )

    async def ensure_volume_size(self, volume_id: str, size_gib: int) -> None:
        """Set a volume's size."""
        await self._change_volume("extend", volume_id, "size", size_gib)

    async def ensure_volume_type(self, volume_id: str, type_name: str) -> None:
        """Set a volume's type."""
        await self._change_volume("retype", volume_id, "type_name", type_name)

    async def ensure_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Take a snapshot."""

        async def plan(records: Records) -> str | None:
            await require_volume(records, volume_id)
            return None if await records.find(SimulatedSnapshot, id=snapshot_id) else "snapshot"

        async def take(records: Records) -> None:
            size = (await require_volume(records, volume_id)).size
            await records.save(SimulatedSnapshot(id=snapshot_id, volume_id=volume_id, size=size))

        await self._change(plan, take)

    async def ensure_no_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        await self._record_store.write(lambda records: records.remove(SimulatedSnapshot, id=snapshot_id))

    async def ensure_reverted_volume(self, volume_id: str, snapshot_id: str, request_id: str) -> None:
        """Record that a volume was reverted; it has no content."""

        async def plan(records: Records) -> str | None:
            if (await require_volume(records, volume_id)).reverted_for == request_id:
                return None
            if await records.find(SimulatedSnapshot, id=snapshot_id) is None:
                raise DriverError(f"Snapshot {snapshot_id} does not exist", retryable=False)
            return "revert"

        await self._change(
            plan, lambda records: records.update(SimulatedVolume, {"reverted_for": request_id}, id=volume_id)
        )

    async def volume_ids_by_snapshot_id(self) -> dict[str, str]:
        """Return the volume of each snapshot."""
        async with self._record_store.scan() as records:
            return {snapshot.id: snapshot.volume_id for snapshot in await records.find_all(SimulatedSnapshot)}

    async def _change_volume(self, change: str, volume_id: str, field: str, value: str | int) -> None:
        async def plan(records: Records) -> str | None:
            volume = await require_volume(records, volume_id)
            return None if replace(volume, **{field: value}) == volume else change

        await self._change(plan, lambda records: records.update(SimulatedVolume, {field: value}, id=volume_id))


async def require_volume(records: Records, volume_id: str) -> SimulatedVolume:
    """Return a volume. Raises DriverError if there is none."""
    volume = await records.find(SimulatedVolume, id=volume_id)
    if volume is None:
        raise DriverError(f"Volume {volume_id} does not exist", retryable=False)
    return volume
