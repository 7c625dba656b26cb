"""Floating IPs."""

from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.domain.ports import FloatingIP
from pileus.store import addresses, tags
from pileus.store.database import Tx
from pileus.store.rows import Table

KIND = "floating_ip"
TABLE = Table("floating_ips", FloatingIP)


async def get(tx: Tx, place: Place, floating_ip_id: str) -> FloatingIP:
    """One floating IP of a place; raises NotFound."""
    found = await TABLE.find_one(
        tx,
        "id = :id AND client_id = :client_id AND project_id = :project_id AND region_id = :region_id",
        id=floating_ip_id,
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
    )
    if found is None:
        raise not_found("Floating IP", floating_ip_id)
    return found


async def find(tx: Tx, floating_ip_id: str) -> FloatingIP | None:
    """One floating IP, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=floating_ip_id)


async def of_port(tx: Tx, port_id: str) -> list[FloatingIP]:
    """Those that lead to a port."""
    return await TABLE.find(tx, "port_id = :port_id ORDER BY created_at, id", port_id=port_id)


async def of_instance(tx: Tx, instance_id: str) -> list[FloatingIP]:
    """Those that lead to an instance."""
    return await TABLE.find(
        tx, "port_id IN (SELECT id FROM ports WHERE instance_id = :id) ORDER BY created_at, id", id=instance_id
    )


async def add(tx: Tx, floating_ip: FloatingIP) -> FloatingIP:
    """Insert a floating IP; its address is in the address book already, or follows in this transaction."""
    return await TABLE.add(tx, floating_ip)


async def save(tx: Tx, before: FloatingIP, after: FloatingIP) -> FloatingIP:
    """Write what changed; raises Stale."""
    return await TABLE.save(tx, before, after)


async def remove(tx: Tx, floating_ip_id: str) -> None:
    """Delete a floating IP and free its address."""
    await addresses.free(tx, floating_ip_id)
    await tags.remove(tx, floating_ip_id)
    await TABLE.remove(tx, floating_ip_id)
