"""Floating IPs."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.places import Place
from pileus.store import queries, scoped, tags
from pileus.store.compute import instance_stamps
from pileus.store.database import FOR_CHANGE, FOR_USE, Tx
from pileus.store.network import addresses
from pileus.store.rows import AGE, Table, in_list_placeholders

KIND = "floating_ip"
TABLE = Table("floating_ips", FloatingIP)
find, require = TABLE.find_by_id, TABLE.require_by_id
OF_INSTANCE = (
    f"SELECT {TABLE.qualified_columns('f')} FROM ports p JOIN floating_ips f ON f.port_id = p.id"
    " WHERE p.instance_id = :id"
)


class FloatingIPFilter(Struct, frozen=True, kw_only=True):
    """Filters of a place's floating IPs; None, False and empty add no condition."""

    port_ids: Sequence[str] | None = None
    status: str | None = None
    tag_keys: Sequence[str] | None = None
    tag_pairs: Mapping[str, str] | None = None
    free: bool = False


async def get(tx: Tx, place: Place, floating_ip_id: str) -> FloatingIP:
    """Return a floating IP of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Floating IP", place, floating_ip_id)


async def get_for_use(tx: Tx, place: Place, floating_ip_id: str) -> FloatingIP:
    """Return a floating IP of a place like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Floating IP", place, floating_ip_id, lock=FOR_USE)


async def get_for_change(tx: Tx, place: Place, floating_ip_id: str) -> FloatingIP:
    """Return a floating IP of a place like `get`; nobody else uses it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Floating IP", place, floating_ip_id, lock=FOR_CHANGE)


async def find_by_fixed_address(tx: Tx, port_id: str, fixed_ip_address: str) -> FloatingIP | None:
    """Return the floating IP assigned to an address of a port, or None."""
    where = "port_id = :port_id AND fixed_ip_address = :ip"
    return await TABLE.find_one(tx, where, port_id=port_id, ip=fixed_ip_address)


async def page(
    tx: Tx, place: Place, filters: FloatingIPFilter, *, limit: int, offset: int
) -> tuple[int, list[FloatingIP]]:
    """Return the number of matching floating IPs and one page of them, oldest first."""
    where = queries.Where.of_place(place).any_of("port_id", filters.port_ids).equal("status", filters.status)
    where.with_tags(KIND, filters.tag_keys, filters.tag_pairs)
    if filters.free:
        where.add("port_id IS NULL")
    return await queries.page(
        tx, TABLE, where, queries.order_by_expression("created_at.asc"), limit=limit, offset=offset
    )


async def list_by_port(tx: Tx, port_id: str) -> list[FloatingIP]:
    """Return the floating IPs assigned to a port, oldest first."""
    return sorted(await TABLE.find(tx, "port_id = :port_id", port_id=port_id), key=AGE)


async def list_by_ports(tx: Tx, port_ids: Sequence[str]) -> list[FloatingIP]:
    """Return the floating IPs assigned to ports, oldest first."""
    marks, values = in_list_placeholders("id", port_ids)
    return await TABLE.find(tx, f"port_id IN ({marks}) ORDER BY created_at, id", **values)


async def list_by_instance(tx: Tx, instance_id: str) -> list[FloatingIP]:
    """Return the floating IPs assigned to an instance, oldest first."""
    return sorted(TABLE.records_from_rows(tx, await tx.all(OF_INSTANCE, id=instance_id)), key=AGE)


async def add(tx: Tx, floating_ip: FloatingIP) -> FloatingIP:
    """Insert a floating IP; its address is allocated before or after, in the same transaction."""
    await TABLE.add(tx, floating_ip)
    await _bump_stamps(tx, floating_ip)
    return floating_ip


async def save(tx: Tx, before: FloatingIP, after: FloatingIP) -> FloatingIP:
    """Write the changed fields; raises Stale."""
    saved = await TABLE.save(tx, before, after)
    if _shown_fields(before) != _shown_fields(after):
        await _bump_stamps(tx, before, after)
    return saved


async def remove(tx: Tx, floating_ip_id: str) -> None:
    """Delete a floating IP and release its address."""
    await instance_stamps.bump(tx, instance_stamps.WITH_FLOATING_IP, id=floating_ip_id)
    await addresses.release_of_floating_ip(tx, floating_ip_id)
    await tags.remove(tx, floating_ip_id)
    await TABLE.remove(tx, floating_ip_id)


async def _bump_stamps(tx: Tx, *states: FloatingIP) -> None:
    for port_id in {floating_ip.port_id for floating_ip in states if floating_ip.port_id is not None}:
        await instance_stamps.bump(tx, instance_stamps.WITH_PORT, id=port_id)


def _shown_fields(floating_ip: FloatingIP) -> tuple[str | None, str | None, str]:
    return floating_ip.port_id, floating_ip.fixed_ip_address, floating_ip.floating_ip_address
