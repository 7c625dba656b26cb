"""How many servers of a flavor a region has room for."""

from pileus.store.database import Row, Tx


async def every(tx: Tx) -> list[Row]:
    """Region, flavor and room, of each flavor whose room has an end."""
    return list(await tx.all("SELECT region_id, flavor_id, servers FROM capacities ORDER BY region_id, flavor_id"))


async def set_limit(tx: Tx, region_id: int, flavor_id: str, servers: int | None) -> None:
    """Set the room for a flavor; None for no end."""
    await tx.run(
        "DELETE FROM capacities WHERE region_id = :region_id AND flavor_id = :flavor_id",
        region_id=region_id,
        flavor_id=flavor_id,
    )
    if servers is not None:
        await tx.run(
            "INSERT INTO capacities (region_id, flavor_id, servers) VALUES (:region_id, :flavor_id, :servers)",
            region_id=region_id,
            flavor_id=flavor_id,
            servers=servers,
        )


async def room(tx: Tx, region_id: int, flavor_id: str) -> int | None:
    """How many more servers of a flavor fit in; None for no end."""
    row = await tx.one(
        """
        SELECT servers - (
            SELECT count(*) FROM instances i WHERE i.region_id = c.region_id AND i.flavor_id = c.flavor_id
        ) FROM capacities c WHERE c.region_id = :region_id AND c.flavor_id = :flavor_id
        """,
        region_id=region_id,
        flavor_id=flavor_id,
    )
    return None if row is None else int(row[0])
