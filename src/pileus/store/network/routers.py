"""Routers, and lookups of the subnets and floating IPs that they route."""

from pileus.domain.errors import Stale
from pileus.domain.network.routers import Router
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.database import FOR_CHANGE, FOR_USE, Tx
from pileus.store.rows import Table

TABLE = Table("routers", Router)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, save, bump_revision, remove = TABLE.add, TABLE.save, TABLE.bump_revision, TABLE.remove
CONNECTED_TO_SUBNET = """
SELECT p.router_id FROM router_ports p JOIN addresses a ON a.router_port_id = p.id
WHERE p.gateway = 0 AND a.subnet_id = :subnet_id
"""
ROUTED_FLOATING_IPS = """
SELECT f.id FROM addresses a JOIN floating_ips f ON f.port_id = a.port_id AND f.fixed_ip_address = a.ip
WHERE a.subnet_id IN (
    SELECT r.subnet_id FROM router_ports p JOIN addresses r ON r.router_port_id = p.id
    WHERE p.router_id = :router_id AND p.gateway = 0
)
"""


async def get(tx: Tx, place: Place, router_id: str) -> Router:
    """Return a router of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Router", place, router_id)


async def get_for_change(tx: Tx, place: Place, router_id: str) -> Router:
    """Return a router like `get`; nobody else uses it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Router", place, router_id, lock=FOR_CHANGE)


async def find_created_with_network(tx: Tx, network_id: str) -> Router | None:
    """Return the router that was created together with a network, or None."""
    return await TABLE.find_one(tx, "network_id = :network_id ORDER BY created_at, id", network_id=network_id)


async def list_by_subnet(tx: Tx, subnet_id: str) -> list[Router]:
    """Return the routers with an interface in a subnet, oldest first."""
    return await TABLE.find(tx, f"id IN ({CONNECTED_TO_SUBNET}) ORDER BY created_at, id", subnet_id=subnet_id)


async def find_router_with_gateway_for_use(tx: Tx, subnet_id: str) -> Router | None:
    """Return the router with an external gateway that connects a subnet, or None.

    Nobody changes or deletes it until the transaction ends. Raises Stale if it was changed while this waited.
    """
    where = f"external_network_id IS NOT NULL AND id IN ({CONNECTED_TO_SUBNET}) ORDER BY created_at, id LIMIT 1"
    router = await TABLE.find_one(tx, f"{where} {FOR_USE}", subnet_id=subnet_id)
    if router is not None and await TABLE.find_one(tx, where, subnet_id=subnet_id) != router:
        raise Stale(f"Router {router.id} was changed by another request")
    return router


async def find_floating_ip_id_through_router(tx: Tx, router_id: str, subnet_id: str | None = None) -> str | None:
    """Return the id of a floating IP that a router routes, to one of its subnets if given; None if there is none."""
    if subnet_id is None:
        row = await tx.one(f"{ROUTED_FLOATING_IPS} LIMIT 1", router_id=router_id)
    else:
        row = await tx.one(
            f"{ROUTED_FLOATING_IPS} AND a.subnet_id = :subnet_id LIMIT 1", router_id=router_id, subnet_id=subnet_id
        )
    return None if row is None else str(row[0])


async def page(tx: Tx, place: Place, name: str | None, *, limit: int, offset: int) -> tuple[int, list[Router]]:
    """Return the number of a place's routers and one page, newest first."""
    where = queries.Where.of_place(place).equal("name", name)
    return await queries.page(
        tx, TABLE, where, queries.order_by_expression("created_at.desc"), limit=limit, offset=offset
    )


async def clear_network_reference(tx: Tx, network_id: str) -> None:
    """Remove the reference to a deleted network from the routers that were created with it."""
    await tx.send(
        "UPDATE routers SET network_id = NULL, revision = revision + 1 WHERE network_id = :network_id",
        network_id=network_id,
    )
