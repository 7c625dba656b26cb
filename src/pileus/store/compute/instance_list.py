"""Lists of instances: every filter of the public API, and a page of what they leave."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from pileus.domain.compute.instances import Instance
from pileus.domain.places import Place
from pileus.store.compute.instances import KIND, TABLE
from pileus.store.database import Tx
from pileus.store.queries import escape_like
from pileus.store.rows import in_list

ORDERS = {"created": "i.created_at", "name": "i.name COLLATE BINARY", "status": "i.status"}
TAGGED = (
    "SELECT t.resource_id FROM tags t WHERE t.kind = :kind AND t.project_id = :project_id AND t.region_id = :region_id"
)
PORTS = "SELECT p.instance_id FROM ports p {joins} WHERE p.project_id = :project_id AND p.region_id = :region_id"
ADDRESS = "JOIN addresses a ON a.port_id = p.id"
FLOATING = "JOIN floating_ips f ON f.port_id = p.id"
NETWORK = "JOIN networks n ON n.id = p.network_id"
GROUP = "JOIN port_security_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.security_group_id"
DDOS = (
    "LEFT JOIN addresses a ON a.port_id = p.id LEFT JOIN floating_ips f ON f.port_id = p.id"
    " JOIN ddos_profiles d ON d.region_id = p.region_id AND d.ip_address IN (a.ip, f.floating_ip_address)"
)


EXACTLY = {
    "i.status =": "status",
    "i.flavor_id =": "flavor_id",
    "i.changed_at >=": "since",
    "i.changed_at <=": "before",
}


class InstanceFilter(Struct, frozen=True, kw_only=True):
    """What a list of instances is narrowed down to; None, False and empty mean that nobody asks."""

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


class _Conditions:
    """The conditions of one list, with their values.

    SQLite would walk all instances of a project by the list's index even where a tag or an address leaves few of them.
    The `+ 0` keeps it from that index, so that it starts from what the tag or address leads to.
    """

    def __init__(self, place: Place) -> None:
        self.all: list[str] = []
        self.values: dict[str, Any] = {"project_id": place.project_id, "region_id": place.region_id}
        self._few = False

    def __str__(self) -> str:
        plain = "" if not self._few else " + 0"
        here = f"i.project_id{plain} = :project_id AND i.region_id{plain} = :region_id"
        return " AND ".join((here, *self.all))

    def add(self, condition: str, **values: Any) -> None:
        """Ask for one more."""
        self.all.append(condition)
        self.values |= values

    def among(self, column: str, name: str, wanted: Sequence[Any]) -> None:
        """Ask for one of some values."""
        marks, values = in_list(name, wanted)
        self.add(f"{column} = :{name}_0" if len(wanted) == 1 else f"{column} IN ({marks})", **values)

    def on_ports(self, joins: str, condition: str, *, negated: bool = False, **values: Any) -> None:
        """Ask for something of an instance's ports."""
        inner = f"{PORTS.format(joins=joins)} AND p.instance_id IS NOT NULL AND {condition}"
        self.add(f"i.id {'NOT ' if negated else ''}IN ({inner})", **values)
        self._few = self._few or not negated

    def tagged(self, condition: str, **values: Any) -> None:
        """Ask for a tag."""
        self.add(f"i.id IN ({TAGGED} AND {condition})", kind=KIND, **values)
        self._few = True


async def page(  # noqa: PLR0913  # each is a fact of its own
    tx: Tx, place: Place, filters: InstanceFilter, order_by: str, *, limit: int, offset: int
) -> tuple[int, list[Instance]]:
    """How many instances there are, and some of them; instances that are equal in the order come by their ids."""
    asked = _asked(place, filters)
    column, _, direction = order_by.partition(".")
    rows = await tx.all(
        f"SELECT {TABLE.columns_as('i')} FROM instances i WHERE {asked}"  # our own words
        f" ORDER BY {ORDERS[column]} {direction}, i.id {direction} LIMIT :limit OFFSET :offset",
        **asked.values,
        limit=limit,
        offset=offset,
    )
    found = TABLE.records(rows)
    if len(found) < limit and (found or offset == 0):
        return offset + len(found), found
    counted = await tx.one(f"SELECT count(*) FROM instances i WHERE {asked}", **asked.values)
    return (int(counted[0]) if counted else 0), found


def _asked(place: Place, wanted: InstanceFilter) -> _Conditions:
    asked = _Conditions(place)
    asked.among("i.kind", "kind_of", wanted.kinds)
    _themselves(asked, wanted)
    _networks(asked, wanted)
    _tags(asked, wanted)
    _protection(asked, wanted)
    return asked


def _themselves(asked: _Conditions, wanted: InstanceFilter) -> None:
    texts = {
        "i.name": ("name", wanted.name, "%{}%"),
        "i.id": ("uuid", wanted.uuid, "%{}%"),
        "i.flavor_id": ("flavor_prefix", wanted.flavor_prefix, "{}%"),
    }
    for column, (name, text, form) in texts.items():
        if text is not None:
            like = form.format(escape_like(text.lower()))
            asked.add(f"lower({column}) LIKE :{name} ESCAPE '\\'", **{name: like})
    if wanted.exclude_flavor_prefix is not None:
        like = f"{escape_like(wanted.exclude_flavor_prefix.lower())}%"
        asked.add("lower(i.flavor_id) NOT LIKE :exclude_flavor ESCAPE '\\'", exclude_flavor=like)
    if wanted.isolated:
        asked.add("i.isolated = 1")
    for condition, name in EXACTLY.items():
        if (value := getattr(wanted, name)) is not None:
            asked.add(f"{condition} :{name}", **{name: value})


def _networks(asked: _Conditions, wanted: InstanceFilter) -> None:
    if wanted.ip is not None:
        like = f"{escape_like(wanted.ip.lower())}%"
        fixed = f"{PORTS.format(joins=ADDRESS)} AND p.instance_id IS NOT NULL AND a.ip LIKE :ip ESCAPE '\\'"
        floating = PORTS.format(joins=FLOATING) + (
            " AND p.instance_id IS NOT NULL AND f.floating_ip_address LIKE :ip ESCAPE '\\'"
        )
        asked.add(f"(i.id IN ({fixed}) OR i.id IN ({floating}))", ip=like)
    if wanted.exclude_group is not None:
        asked.on_ports(GROUP, "g.name = :exclude_group", negated=True, exclude_group=wanted.exclude_group)
    if wanted.group_id is not None:
        asked.on_ports(GROUP, "g.id = :group_id", group_id=wanted.group_id)
    if wanted.external:
        asked.on_ports(NETWORK, "n.external = 1")
    if wanted.available_floating:
        free = "p.id NOT IN (SELECT f.port_id FROM floating_ips f WHERE f.port_id IS NOT NULL)"
        asked.on_ports(f"{NETWORK} {ADDRESS}", f"n.external = 0 AND a.ip LIKE '%.%' AND {free}")


def _tags(asked: _Conditions, wanted: InstanceFilter) -> None:
    for column, texts in (("key", wanted.tag_keys), ("value", wanted.tag_values)):
        if texts:
            marks, values = in_list(f"tag_{column}", texts)
            asked.tagged(f"t.{column} IN ({marks})", **values)
    for number, (key, value) in enumerate(wanted.tag_pairs.items()):
        names = {f"pair_key_{number}": key, f"pair_value_{number}": value}
        asked.tagged(f"t.key = :pair_key_{number} AND t.value = :pair_value_{number}", **names)


def _protection(asked: _Conditions, wanted: InstanceFilter) -> None:
    if wanted.protected is not None:
        asked.on_ports(DDOS, "d.id > 0", negated=not wanted.protected)
    if wanted.template_ids is not None:
        marks, values = in_list("template", wanted.template_ids)
        asked.on_ports(DDOS, f"d.template_id IN ({marks})", **values)
    if wanted.protection_status is not None:
        asked.on_ports(DDOS, "d.status = :protection_status", protection_status=wanted.protection_status)
