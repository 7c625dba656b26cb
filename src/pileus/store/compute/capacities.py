"""Capacity: the number of instances of a flavor that a region can hold, for a tenant or for all of them together."""

from collections.abc import Sequence

from pileus.domain.account.access import ALL_CLIENTS
from pileus.store import resource_counts
from pileus.store.database import Row, Tx
from pileus.store.scoped import in_reach_condition
from pileus.store.table_counts import SERVERS

LIMITS = (
    "SELECT client_id, flavor_id, servers FROM client_capacities"
    " WHERE client_id IN (:all_clients, :client_id) AND region_id = :region_id"
)


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
    if servers is None:
        await tx.send(
            """
            DELETE FROM client_capacities
            WHERE client_id = :client_id AND region_id = :region_id AND flavor_id = :flavor_id
            """,
            **key,
        )
        return
    # The row stays: on PostgreSQL, a request that waits for a row that is deleted does not see the one in its place.
    await tx.send(
        """
        INSERT INTO client_capacities (client_id, region_id, flavor_id, servers)
        VALUES (:client_id, :region_id, :flavor_id, :servers)
        ON CONFLICT (client_id, region_id, flavor_id) DO UPDATE SET servers = excluded.servers
        """,
        **key,
        servers=servers,
    )


async def count_free_servers_by_flavor(tx: Tx, client_id: int, region_id: int) -> dict[str, int]:
    """Return the free capacity of each flavor with a limit for a tenant; takes no lock."""
    limits = await tx.all(LIMITS, all_clients=ALL_CLIENTS, client_id=client_id, region_id=region_id)
    return await _count_free(tx, client_id, region_id, limits)


async def _count_free(tx: Tx, client_id: int, region_id: int, limits: Sequence[Row]) -> dict[str, int]:
    """Return what the narrowest of the limits leaves free of each flavor."""
    counts = {
        owner_id: await (
            resource_counts.list_of_all_tenants(tx, region_id, SERVERS)
            if owner_id == ALL_CLIENTS
            else resource_counts.list_of_tenant(tx, client_id, region_id)
        )
        for owner_id in {limit[0] for limit in limits}
    }
    free: dict[str, int] = {}
    for owner_id, flavor_id, servers in limits:
        left = int(servers) - counts[owner_id].get((SERVERS, flavor_id), 0)
        free[flavor_id] = min(left, free.get(flavor_id, left))
    return free


async def count_instances_by_flavor(
    tx: Tx, except_instance_id: str | None = None, region_ids: Sequence[int] | None = None
) -> dict[str, int]:
    """Count the instances of each flavor, of all tenants, in some regions (None: all); one may be left out."""
    servers: dict[str, int] = {}
    for region_id in (None,) if region_ids is None else region_ids:
        for (_, flavor_id), count in (await resource_counts.list_of_all_tenants(tx, region_id, SERVERS)).items():
            servers[flavor_id] = servers.get(flavor_id, 0) + count
    if except_instance_id is None:
        return servers
    row = await tx.one("SELECT flavor_id FROM instances WHERE id = :id", id=except_instance_id)
    return servers | ({row[0]: servers.get(row[0], 0) - 1} if row else {})


async def lock_limit_and_count_free_servers(tx: Tx, client_id: int, region_id: int, flavor_id: str) -> int | None:
    """Lock a flavor's limits for a tenant and return what the narrowest leaves free; None without limit.

    Concurrent requests for the same flavor wait until this transaction ends.
    """
    key = {"all_clients": ALL_CLIENTS, "client_id": client_id, "region_id": region_id, "flavor_id": flavor_id}
    limits = "client_id IN (:all_clients, :client_id) AND region_id = :region_id AND flavor_id = :flavor_id"
    if not await tx.run(f"UPDATE client_capacities SET servers = servers WHERE {limits}", **key):
        return None
    rows = await tx.all(f"{LIMITS} AND flavor_id = :flavor_id", **key)
    return (await _count_free(tx, client_id, region_id, rows)).get(flavor_id)
