"""Networks."""

from collections.abc import Mapping, Sequence
from itertools import islice

from msgspec import Struct

from pileus.domain.errors import NoCapacity, not_found
from pileus.domain.network.networks import Network, iterate_segmentation_ids
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.compute import instance_stamps
from pileus.store.database import FOR_USE, Tx
from pileus.store.rows import Table, in_list_placeholders
from pileus.store.scoped import IN_PLACE, place_parameters

KIND = "network"
TABLE = Table("networks", Network)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, bump_revision, remove = TABLE.add, TABLE.bump_revision, TABLE.remove
VISIBLE = f"({IN_PLACE}) OR (region_id = :region_id AND external = 1) OR (region_id = :region_id AND shared = 1)"
"""Each part has its index."""
VISIBLE_AS_N = (
    "((n.region_id = :region_id AND n.external = 1) OR (n.region_id = :region_id AND n.shared = 1)"
    " OR (n.client_id = :client_id AND n.project_id = :project_id AND n.region_id = :region_id))"
)
"""The same, for a statement that names the table `n`."""

CANDIDATES = 16
"""Number of segmentation ids to check in one query; they are rarely all in use."""


class NetworkFilter(Struct, frozen=True, kw_only=True):
    """Filters of the networks that a place owns or may use; None adds no condition."""

    own: bool = True
    network_id: str | None = None
    name: str | None = None
    network_type: str | None = None
    external: bool | None = None
    shared: bool | None = None
    tag_keys: Sequence[str] | None = None
    tag_pairs: Mapping[str, str] | None = None

    def where(self, place: Place) -> queries.Where:
        """Return the filters as conditions."""
        if self.own:
            where = queries.Where.of_place(place)
        else:
            where = queries.Where(VISIBLE, **place_parameters(place)).add("retired = 0")
        where.equal("id", self.network_id).equal("name", self.name).equal("type", self.network_type)
        where.equal("external", None if self.external is None else int(self.external))
        where.equal("shared", None if self.shared is None else int(self.shared))
        return where.with_tags(KIND, self.tag_keys, self.tag_pairs)


async def save(tx: Tx, before: Network, after: Network) -> Network:
    """Write the changed fields; raises Stale."""
    saved = await TABLE.save(tx, before, after)
    if (before.name, before.external) != (after.name, after.external):
        await instance_stamps.bump(tx, instance_stamps.IN_NETWORK, id=before.id)
    return saved


async def get(tx: Tx, place: Place, network_id: str) -> Network:
    """Return a network that a place may use; raises NotFound."""
    return await scoped.get(tx, TABLE, "Network", place, network_id, visible=VISIBLE)


async def get_for_use(tx: Tx, place: Place, network_id: str) -> Network:
    """Return a network that a place may use like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Network", place, network_id, visible=VISIBLE, lock=FOR_USE)


async def get_subnet_and_network_id_of_floating_ip(tx: Tx, floating_ip_id: str) -> tuple[str, str]:
    """Return subnet and network id of a floating IP's address; raises NotFound."""
    sql = "SELECT s.id, s.network_id FROM addresses a JOIN subnets s ON s.id = a.subnet_id WHERE a.floating_ip_id = :id"
    row = await tx.one(sql, id=floating_ip_id)
    if row is None:
        raise not_found("Floating IP", floating_ip_id)
    return str(row[0]), str(row[1])


async def get_own(tx: Tx, place: Place, network_id: str) -> Network:
    """Return a network that a place owns; raises NotFound, or Forbidden for one that it may only use."""
    return (await get(tx, place, network_id)).require_owned_by(place)


async def page(
    tx: Tx, place: Place, filters: NetworkFilter, order_by: str, *, limit: int, offset: int
) -> tuple[int, list[Network]]:
    """Return the number of matching networks and one page; `order_by` is a column, a dot and a direction."""
    # All networks have the same priority, so the newest come first.
    order = queries.order_by_expression("created_at.desc" if order_by == "priority.desc" else order_by)
    return await queries.page(tx, TABLE, filters.where(place), order, limit=limit, offset=offset)


async def list_by_id(tx: Tx, network_ids: Sequence[str]) -> dict[str, Network]:
    """Return the networks that exist, by id."""
    marks, values = in_list_placeholders("id", network_ids)
    return {network.id: network for network in await TABLE.find(tx, f"id IN ({marks})", **values)}


async def choose_segmentation_id(tx: Tx, region_id: int, network_type: str, seed: str) -> int:
    """Choose a segmentation id that no network of this type has in a region; raises NoCapacity."""
    candidates = list(islice(iterate_segmentation_ids(network_type, seed), CANDIDATES))
    marks, values = in_list_placeholders("near", candidates)
    of_type = "SELECT segmentation_id FROM networks WHERE region_id = :region_id AND type = :type AND external = 0"
    parameters = {"region_id": region_id, "type": network_type}
    rows = await tx.all(f"{of_type} AND segmentation_id IN ({marks})", **parameters, **values)
    if len(rows) < CANDIDATES:
        return next(number for number in candidates if (number,) not in set(map(tuple, rows)))
    in_use = {row[0] for row in await tx.all(of_type, **parameters)}
    for number in iterate_segmentation_ids(network_type, seed):
        if number not in in_use:
            return number
    raise NoCapacity(f"Region {region_id} has no room for another network of type {network_type}")


async def list_ports_with_instances(tx: Tx, place: Place, network_id: str) -> list[tuple[str, str, str]]:
    """Return the ports of a place's instances in a network as port id, instance id and instance name."""
    rows = await tx.all(
        """
        SELECT p.id, i.id, i.name FROM ports p JOIN instances i ON i.id = p.instance_id
        WHERE p.network_id = :network_id AND p.client_id = :client_id AND p.project_id = :project_id
        ORDER BY p.created_at, p.id
        """,
        network_id=network_id,
        client_id=place.client_id,
        project_id=place.project_id,
    )
    return [(port_id, instance_id, name) for port_id, instance_id, name in rows]


async def has_ports(tx: Tx, network_id: str) -> bool:
    """Return whether a network has ports or file shares, router ports not counted."""
    tables = ("ports", "file_shares")
    statement = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE network_id = :id" for table in tables)
    return await tx.one(f"{statement} LIMIT 1", id=network_id) is not None
