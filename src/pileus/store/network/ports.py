"""Ports, and the address book that says which addresses they have."""

from pileus.domain.network.ports import AssignedAddress, Port
from pileus.domain.places import Place
from pileus.store import scoped
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("ports", Port)
ADDRESSES = Table("addresses", AssignedAddress, key="ip")


async def get(tx: Tx, place: Place, port_id: str) -> Port:
    """One port of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Port", place, port_id)


async def find(tx: Tx, port_id: str) -> Port | None:
    """One port, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=port_id)


async def list_by_instance(tx: Tx, instance_id: str) -> list[Port]:
    """An instance's ports in their order."""
    return await TABLE.find(tx, "instance_id = :instance_id ORDER BY position, id", instance_id=instance_id)


async def addresses_of(tx: Tx, port_id: str) -> list[AssignedAddress]:
    """The lines of the address book that belong to a port."""
    return await ADDRESSES.find(tx, "port_id = :port_id ORDER BY ip", port_id=port_id)


async def add(tx: Tx, port: Port) -> Port:
    """Insert a port."""
    return await TABLE.add(tx, port)


async def save(tx: Tx, before: Port, after: Port) -> Port:
    """Write what changed; raises Stale."""
    return await TABLE.save(tx, before, after)


async def add_address(tx: Tx, address: AssignedAddress) -> AssignedAddress:
    """Write a line of the address book; raises Stale (by its key) if the address is taken."""
    return await ADDRESSES.add(tx, address)


async def remove(tx: Tx, port_id: str) -> None:
    """Delete a port and free its addresses."""
    await tx.run("DELETE FROM addresses WHERE port_id = :port_id", port_id=port_id)
    await tx.run("DELETE FROM port_security_groups WHERE port_id = :port_id", port_id=port_id)
    await TABLE.remove(tx, port_id)
