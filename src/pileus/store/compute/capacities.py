"""How many servers of a flavor a region has room for."""

from pileus.store.database import Row, Tx


async def list_all(tx: Tx) -> list[Row]:
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


async def count_left(tx: Tx, region_id: int) -> dict[str, int]:
    """How many more servers there is room for, of each flavor whose room has an end; nobody waits for it."""
    rows = await tx.all(
        """
        SELECT c.flavor_id, c.servers - (
            SELECT count(*) FROM instances i WHERE i.region_id = c.region_id AND i.flavor_id = c.flavor_id
        ) FROM capacities c WHERE c.region_id = :region_id
        """,
        region_id=region_id,
    )
    return {flavor_id: int(servers) for flavor_id, servers in rows}


async def count_servers(tx: Tx, except_id: str | None = None) -> dict[str, int]:
    """How many servers of each flavor there are, in all regions, whoever has them; one of them may be left out."""
    rows = await tx.all(
        "SELECT flavor_id, count(*) FROM instances WHERE id <> :but GROUP BY flavor_id", but=except_id or ""
    )
    return {flavor_id: int(servers) for flavor_id, servers in rows}


async def lock_and_count_left(tx: Tx, region_id: int, flavor_id: str) -> int | None:
    """How many more servers of a flavor fit in; None for no end. Who asks next waits for this transaction's end."""
    limit = await tx.one(
        """
        UPDATE capacities SET servers = servers WHERE region_id = :region_id AND flavor_id = :flavor_id
        RETURNING servers
        """,
        region_id=region_id,
        flavor_id=flavor_id,
    )
    if limit is None:
        return None
    used = await tx.one(
        "SELECT count(*) FROM instances WHERE region_id = :region_id AND flavor_id = :flavor_id",
        region_id=region_id,
        flavor_id=flavor_id,
    )
    return int(limit[0]) - int(used[0]) if used else int(limit[0])
