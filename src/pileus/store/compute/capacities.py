"""Capacity: the number of instances of a flavor that a region can hold."""

from pileus.store.database import Row, Tx


async def list_limits(tx: Tx) -> list[Row]:
    """Return region, flavor and capacity of each flavor with a limit."""
    return list(await tx.all("SELECT region_id, flavor_id, servers FROM capacities ORDER BY region_id, flavor_id"))


async def set_limit(tx: Tx, region_id: int, flavor_id: str, servers: int | None) -> None:
    """Set the capacity for a flavor; None removes the limit."""
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


async def count_free_servers_by_flavor(tx: Tx, region_id: int) -> dict[str, int]:
    """Return the free capacity of each flavor with a limit; takes no lock."""
    rows = await tx.all(
        """
        SELECT c.flavor_id, c.servers - (
            SELECT count(*) FROM instances i WHERE i.region_id = c.region_id AND i.flavor_id = c.flavor_id
        ) FROM capacities c WHERE c.region_id = :region_id
        """,
        region_id=region_id,
    )
    return {flavor_id: int(servers) for flavor_id, servers in rows}


async def count_instances_by_flavor(tx: Tx, except_instance_id: str | None = None) -> dict[str, int]:
    """Count the instances of each flavor, of all tenants and regions; one may be left out."""
    rows = await tx.all(
        "SELECT flavor_id, count(*) FROM instances WHERE id <> :but GROUP BY flavor_id", but=except_instance_id or ""
    )
    return {flavor_id: int(servers) for flavor_id, servers in rows}


async def lock_limit_and_count_free_servers(tx: Tx, region_id: int, flavor_id: str) -> int | None:
    """Lock a flavor's capacity and return what is free; None without limit.

    Concurrent requests for the same flavor wait until this transaction ends.
    """
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
