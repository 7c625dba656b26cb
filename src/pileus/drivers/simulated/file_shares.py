"""File shares of the simulated cloud. They have no content."""

from pileus.domain.simulated_cloud import SimulatedFileShare, SimulatedShareRule
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.records import Records
from pileus.drivers.protocols.storage import FileShareSpec, ShareAccess
from pileus.drivers.simulated.state import SimulationState

STORAGE_ADDRESS = "100.64.0.1"
"""The address of all VAST file shares, on the storage network."""


class SimulatedFileShares(SimulationState):
    """Fulfils SupportsFileShares."""

    async def ensure_file_share(self, share: FileShareSpec) -> str:
        """Create a file share, or change its size and settings; return its connection point."""
        record = SimulatedFileShare(
            id=share.id,
            size=share.size,
            type_name=share.type_name,
            settings=share.settings,
            connection_point=f"{share.ip_address or STORAGE_ADDRESS}:/shares/share-{share.id}",
        )

        async def plan(records: Records) -> str | None:
            existing = await records.find(SimulatedFileShare, id=share.id)
            if existing == record:
                return None
            return "extend" if existing else "file_share"

        await self._change(plan, lambda records: records.save(record))
        return record.connection_point

    async def ensure_no_file_share(self, share_id: str) -> None:
        """Delete a file share with all access to it."""

        async def remove(records: Records) -> None:
            await records.remove(SimulatedShareRule, file_share_id=share_id)
            await records.remove(SimulatedFileShare, id=share_id)

        await self._record_store.write(remove)

    async def ensure_share_access(self, access: ShareAccess) -> None:
        """Grant access. Raises DriverError if there is no such share."""

        async def save(records: Records) -> None:
            if await records.find(SimulatedFileShare, id=access.file_share_id) is None:
                raise DriverError(f"File share {access.file_share_id} does not exist", retryable=False)
            await records.save(
                SimulatedShareRule(
                    id=access.id,
                    file_share_id=access.file_share_id,
                    access_to=access.access_to,
                    access_level=access.access_level,
                )
            )

        await self._record_store.write(save)

    async def list_share_access(self, share_id: str) -> list[tuple[str, str]]:
        """Return who may mount a file share, and how."""
        async with self._record_store.scan() as records:
            rules = await records.find_all(SimulatedShareRule, file_share_id=share_id)
        return sorted((rule.access_to, rule.access_level) for rule in rules)

    async def ensure_no_share_access(self, share_id: str, access_id: str) -> None:
        """Revoke access."""
        await self._record_store.write(
            lambda records: records.remove(SimulatedShareRule, id=access_id, file_share_id=share_id)
        )
