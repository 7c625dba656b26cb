"""Ports and their addresses."""

from pileus.domain.network.ports import AssignedAddress, Port
from pileus.domain.places import Place
from pileus.store import scoped
from pileus.store.database import FOR_USE, Tx
from pileus.store.rows import Table

TABLE = Table("ports", Port)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, save = TABLE.add, TABLE.save
ADDRESSES = Table("addresses", AssignedAddress, key="ip")


async def get(tx: Tx, place: Place, port_id: str) -> Port:
    """Return a port of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Port", place, port_id)


async def get_for_use(tx: Tx, place: Place, port_id: str) -> Port:
    """Return a port of a place like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Port", place, port_id, lock=FOR_USE)


async def list_by_instance(tx: Tx, instance_id: str) -> list[Port]:
    """Return an instance's ports in order of position."""
    return await TABLE.find(tx, "instance_id = :instance_id ORDER BY position, id", instance_id=instance_id)


async def list_addresses(tx: Tx, port_id: str) -> list[AssignedAddress]:
    """Return the addresses of a port."""
    return await ADDRESSES.find(tx, "port_id = :port_id ORDER BY ip", port_id=port_id)


async def add_address(tx: Tx, address: AssignedAddress) -> AssignedAddress:
    """Insert an address; raises Stale (by its key) if it is in use."""
    return await ADDRESSES.add(tx, address)


async def remove(tx: Tx, port_id: str) -> None:
    """Delete a port and release its addresses."""
    await ADDRESSES.remove_all(tx, "port_id = :port_id", port_id=port_id)
    await tx.run("DELETE FROM port_security_groups WHERE port_id = :port_id", port_id=port_id)
    await TABLE.remove(tx, port_id)
