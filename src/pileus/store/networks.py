"""Networks."""

from pileus.domain.errors import not_found
from pileus.domain.networks import Network
from pileus.domain.places import Place
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("networks", Network)
VISIBLE = (
    "region_id = :region_id AND (external = 1 OR shared = 1 OR (client_id = :client_id AND project_id = :project_id))"
)


async def get(tx: Tx, place: Place, network_id: str) -> Network:
    """One network that a place may use; raises NotFound."""
    found = await TABLE.find_one(
        tx,
        f"id = :id AND {VISIBLE}",
        id=network_id,
        region_id=place.region_id,
        client_id=place.client_id,
        project_id=place.project_id,
    )
    if found is None:
        raise not_found("Network", network_id)
    return found


async def find(tx: Tx, network_id: str) -> Network | None:
    """One network, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=network_id)


async def add(tx: Tx, network: Network) -> Network:
    """Insert a network."""
    return await TABLE.add(tx, network)
