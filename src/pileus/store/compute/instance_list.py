"""Lists of instances, with every filter of the public API."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.compute.instances import InstanceKind
from pileus.domain.places import Place
from pileus.store import resource_counts
from pileus.store.compute.instances import KIND
from pileus.store.database import Tx
from pileus.store.queries import Where, escape_like, is_last_page
from pileus.store.rows import in_list_placeholders

ORDERS = {"created": "i.created_at", "name": "i.name COLLATE BINARY", "status": "i.status"}
PORTS = (
    "SELECT p.instance_id FROM ports p {joins}"
    " WHERE p.project_id = :project_id AND p.region_id = :region_id AND p.instance_id IS NOT NULL"
)
ADDRESS = "JOIN addresses a ON a.port_id = p.id"
FLOATING = "JOIN floating_ips f ON f.port_id = p.id"
NETWORK = "JOIN networks n ON n.id = p.network_id"
GROUP = "JOIN port_security_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.security_group_id"
DDOS = (
    "LEFT JOIN addresses a ON a.port_id = p.id LEFT JOIN floating_ips f ON f.port_id = p.id"
    " JOIN ddos_profiles d ON d.region_id = p.region_id AND d.ip_address IN (a.ip, f.floating_ip_address)"
)


class InstanceFilter(Struct, frozen=True, kw_only=True):
    """Filters of a list of instances; None, False and empty add no condition."""

    kinds: Sequence[str] = ()
    name: str | None = None
    uuid: str | None = None
    ip: str | None = None
    status: str | None = None
    flavor_id: str | None = None
    flavor_prefix: str | None = None
    exclude_flavor_prefix: str | None = None
    exclude_group: str | None = None
    available_floating: bool = False
    external: bool = False
    isolated: bool = False
    since: int | None = None
    before: int | None = None
    tag_keys: Sequence[str] = ()
    tag_values: Sequence[str] = ()
    tag_pairs: Mapping[str, str] = field(default_factory=dict)
    protected: bool | None = None
    template_ids: Sequence[int] | None = None
    protection_status: str | None = None
    group_id: str | None = None


async def page(
    tx: Tx, place: Place, filters: InstanceFilter, order_by: str, *, limit: int, offset: int
) -> tuple[int, list[tuple[str, int]]]:
    """Return the total number of matching instances, and the ids and stamps of one page of them.

    `order_by` is a key of `ORDERS`, a dot and a direction.
    """
    where = _where(place, filters)
    column, _, direction = order_by.partition(".")
    order = f"{ORDERS[column]} {direction}, i.id {direction}"
    listed, values = f"instances i WHERE {where}", where.values
    if column == "created" and len(filters.kinds) > 1 and not where.is_selective:
        listed, values = _first_of_each_kind(place, filters, order, end=offset + limit)
    rows = await tx.all(
        f"SELECT i.id, i.stamp FROM {listed} ORDER BY {order} LIMIT :limit OFFSET :offset",
        **values,
        limit=limit,
        offset=offset,
    )
    stamps = [(instance_id, stamp) for instance_id, stamp in rows]
    if is_last_page(len(stamps), limit, offset):
        return offset + len(stamps), stamps
    if str(where) == str(_in_place(place, filters)):
        kinds = filters.kinds or [kind.value for kind in InstanceKind]
        return await resource_counts.count_of_project(tx, place, "instances", kinds), stamps
    total = await tx.one(f"SELECT count(*) FROM instances i WHERE {where}", **where.values)
    return (int(total[0]) if total else 0), stamps


def _first_of_each_kind(place: Place, filters: InstanceFilter, order: str, end: int) -> tuple[str, dict[str, Any]]:
    """Return a query of the first instances of each kind, and its values.

    The index of lists has the instances of one kind in order. Of several kinds, the database would sort all.
    """
    where = _where(place, replace(filters, kinds=()))
    kinds = {f"kind_{number}": kind for number, kind in enumerate(filters.kinds)}
    first = " UNION ALL ".join(
        f"SELECT * FROM (SELECT i.id, i.stamp, i.created_at FROM instances i WHERE {where} AND i.kind = :{name}"
        f" ORDER BY {order} LIMIT :end) of_kind"
        for name in kinds
    )
    return f"({first}) i", {**where.values, **kinds, "end": end}


def _in_place(place: Place, filters: InstanceFilter) -> Where:
    return Where.in_scope("i", project_id=place.project_id, region_id=place.region_id).any_of("kind", filters.kinds)


def _where(place: Place, filters: InstanceFilter) -> Where:
    where = _in_place(place, filters)
    _filter_columns(where, filters)
    _filter_networks(where, filters)
    _filter_tags(where, filters)
    _filter_protection(where, filters)
    return where


def _filter_columns(where: Where, filters: InstanceFilter) -> None:
    where.contains("name", _lower(filters.name)).contains("id", filters.uuid)
    where.starts_with("flavor_id", _lower(filters.flavor_prefix))
    if filters.exclude_flavor_prefix is not None:
        pattern = f"{escape_like(filters.exclude_flavor_prefix.lower())}%"
        where.add("lower(i.flavor_id) NOT LIKE :exclude_flavor ESCAPE '\\'", exclude_flavor=pattern)
    if filters.isolated:
        where.add("i.isolated = 1")
    where.equal("status", filters.status).between("changed_at", filters.since, filters.before)
    if filters.flavor_id is not None:
        where.add("i.flavor_id = :flavor", flavor=filters.flavor_id)


def _lower(text: str | None) -> str | None:
    """Convert to lower case, where SQLite's lower() converts ASCII letters only."""
    return None if text is None else text.lower()


def _filter_networks(where: Where, filters: InstanceFilter) -> None:
    if filters.ip is not None:
        fixed = f"{PORTS.format(joins=ADDRESS)} AND a.ip LIKE :ip ESCAPE '\\'"
        floating = f"{PORTS.format(joins=FLOATING)} AND f.floating_ip_address LIKE :ip ESCAPE '\\'"
        where.add(f"i.id IN ({fixed}) OR i.id IN ({floating})", ip=f"{escape_like(filters.ip.lower())}%")
    if filters.exclude_group is not None:
        _filter_ports(where, GROUP, "g.name = :exclude_group", negated=True, exclude_group=filters.exclude_group)
    if filters.group_id is not None:
        _filter_ports(where, GROUP, "g.id = :group_id", group_id=filters.group_id)
    if filters.external:
        _filter_ports(where, NETWORK, "n.external = 1")
    if filters.available_floating:
        free = "p.id NOT IN (SELECT f.port_id FROM floating_ips f WHERE f.port_id IS NOT NULL)"
        _filter_ports(where, f"{NETWORK} {ADDRESS}", f"n.external = 0 AND a.ip LIKE '%.%' AND {free}")


def _filter_ports(where: Where, joins: str, condition: str, *, negated: bool = False, **values: Any) -> None:
    """Require instances with a port for which a condition holds, or without any."""
    with_port = f"({PORTS.format(joins=joins)} AND {condition})"
    if negated:
        where.add(f"i.id NOT IN {with_port}", **values)
    else:
        where.add_selective_condition(f"i.id IN {with_port}", **values)


def _filter_tags(where: Where, filters: InstanceFilter) -> None:
    for column, texts in (("key", filters.tag_keys), ("value", filters.tag_values)):
        if texts:
            marks, values = in_list_placeholders(f"tag_{column}", texts)
            where.with_matching_tag(KIND, f"{column} IN ({marks})", **values)
    where.with_tags(KIND, None, filters.tag_pairs)


def _filter_protection(where: Where, filters: InstanceFilter) -> None:
    if filters.protected is not None:
        _filter_ports(where, DDOS, "d.id > 0", negated=not filters.protected)
    if filters.template_ids is not None:
        marks, values = in_list_placeholders("template", filters.template_ids)
        _filter_ports(where, DDOS, f"d.template_id IN ({marks})", **values)
    if filters.protection_status is not None:
        _filter_ports(where, DDOS, "d.status = :protection_status", protection_status=filters.protection_status)
