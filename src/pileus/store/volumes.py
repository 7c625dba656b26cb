"""Volumes."""

from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.domain.volumes import Volume
from pileus.store.database import Tx
from pileus.store.rows import Table

KIND = "volume"
TABLE = Table("volumes", Volume)


async def get(tx: Tx, place: Place, volume_id: str) -> Volume:
    """One volume of a place; raises NotFound."""
    found = await TABLE.find_one(
        tx,
        "id = :id AND client_id = :client_id AND project_id = :project_id AND region_id = :region_id",
        id=volume_id,
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
    )
    if found is None:
        raise not_found("Volume", volume_id)
    return found


async def find(tx: Tx, volume_id: str) -> Volume | None:
    """One volume, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=volume_id)


async def add(tx: Tx, volume: Volume) -> Volume:
    """Insert a volume."""
    return await TABLE.add(tx, volume)


async def save(tx: Tx, before: Volume, after: Volume) -> Volume:
    """Write what changed; raises Stale."""
    return await TABLE.save(tx, before, after)


async def remove(tx: Tx, volume_id: str) -> None:
    """Delete a volume's own row."""
    await TABLE.remove(tx, volume_id)
