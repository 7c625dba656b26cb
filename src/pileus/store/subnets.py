"""Subnets."""

from pileus.domain.networks import Subnet
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("subnets", Subnet)


async def of_network(tx: Tx, network_id: str) -> list[Subnet]:
    """A network's subnets, oldest first."""
    return await TABLE.find(tx, "network_id = :network_id ORDER BY created_at, id", network_id=network_id)


async def find(tx: Tx, subnet_id: str) -> Subnet | None:
    """One subnet, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=subnet_id)


async def add(tx: Tx, subnet: Subnet) -> Subnet:
    """Insert a subnet."""
    return await TABLE.add(tx, subnet)
