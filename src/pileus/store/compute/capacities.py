"""Capacity: the number of instances of a flavor that a region can hold, for a tenant or for all of them together."""

from pileus.domain.account.access import ALL_CLIENTS
from pileus.store.database import Row, Tx
from pileus.store.scoped import in_reach_condition

USED = """(
    SELECT count(*) FROM instances i
    WHERE i.region_id = c.region_id AND i.flavor_id = c.flavor_id AND c.client_id IN (0, i.client_id)
)"""
"""The instances that a limit `c` counts."""


async def list_limits(tx: Tx, client_id: int) -> list[Row]:
    """Return tenant, region, flavor and capacity of each flavor with a limit; ALL_CLIENTS lists those of everybody."""
    return list(
        await tx.all(
            f"""
            SELECT client_id, region_id, flavor_id, servers FROM client_capacities
            WHERE {in_reach_condition(client_id)} ORDER BY region_id, flavor_id, client_id
            """,
            client_id=client_id,
        )
    )


async def set_limit(tx: Tx, client_id: int, region_id: int, flavor_id: str, servers: int | None) -> None:
    """Set the capacity for a flavor, for a tenant or for ALL_CLIENTS together; None removes the limit."""
    key = {"client_id": client_id, "region_id": region_id, "flavor_id": flavor_id}
    await tx.run(
        """
        DELETE FROM client_capacities
        WHERE client_id = :client_id AND region_id = :region_id AND flavor_id = :flavor_id
        """,
        **key,
    )
    if servers is not None:
        await tx.run(
            """
            INSERT INTO client_capacities (client_id, region_id, flavor_id, servers)
            VALUES (:client_id, :region_id, :flavor_id, :servers)
            """,
            **key,
            servers=servers,
        )


async def count_free_servers_by_flavor(tx: Tx, client_id: int, region_id: int) -> dict[str, int]:
    """Return the free capacity of each flavor with a limit for a tenant; takes no lock."""
    rows = await tx.all(
        f"""
        SELECT flavor_id, min(free) FROM (
            SELECT c.flavor_id, c.servers - {USED} AS free FROM client_capacities c
            WHERE c.client_id IN (:all_clients, :client_id) AND c.region_id = :region_id
        ) AS limits GROUP BY flavor_id
        """,
        all_clients=ALL_CLIENTS,
        client_id=client_id,
        region_id=region_id,
    )
    return {flavor_id: int(servers) for flavor_id, servers in rows}


async def count_instances_by_flavor(tx: Tx, except_instance_id: str | None = None) -> dict[str, int]:
    """Count the instances of each flavor, of all tenants and regions; one may be left out."""
    rows = await tx.all(
        "SELECT flavor_id, count(*) FROM instances WHERE id <> :but GROUP BY flavor_id", but=except_instance_id or ""
    )
    return {flavor_id: int(servers) for flavor_id, servers in rows}


async def lock_limit_and_count_free_servers(tx: Tx, client_id: int, region_id: int, flavor_id: str) -> int | None:
    """Lock a flavor's limits for a tenant and return what the narrowest leaves free; None without limit.

    Concurrent requests for the same flavor wait until this transaction ends.
    """
    key = {"all_clients": ALL_CLIENTS, "client_id": client_id, "region_id": region_id, "flavor_id": flavor_id}
    limits = "c.client_id IN (:all_clients, :client_id) AND c.region_id = :region_id AND c.flavor_id = :flavor_id"
    if not await tx.run(f"UPDATE client_capacities AS c SET servers = servers WHERE {limits}", **key):
        return None
    row = await tx.one(f"SELECT min(c.servers - {USED}) FROM client_capacities c WHERE {limits}", **key)
    return int(row[0]) if row else None
