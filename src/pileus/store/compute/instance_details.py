"""The parts of an instance that other tables hold.

Each part is a JSON array of rows, which are decoded as the records that they are: a page of a list has thousands. One
statement reads the parts of all instances that it is about, be it one or those of a page.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from pileus.domain.compute.instance_details import InstanceAddress, InstanceDetails
from pileus.domain.network.ddos_profiles import BlackholePort, DdosProfile
from pileus.domain.storage.volumes import Attachment
from pileus.domain.tags import Tag
from pileus.store.database import Row, Tx
from pileus.store.network import ddos_profiles
from pileus.store.storage import attachments


class Part(NamedTuple):
    """A part: its rows, the JSON value of a row, where it comes from, and the column that names the instance."""

    row_type: Any
    value: str
    source: str
    instance_id: str = "p.instance_id"
    condition: str = ""

    def of_instances(self, ids: str) -> str:
        """The expression for the rows, each with its instance's id, of those that a list of ids or a query names."""
        rows = f"json_group_array(json_array({self.instance_id}, {self.value}))"
        query = f"(SELECT CAST({rows} AS TEXT) FROM {self.source} WHERE {self.instance_id} IN ({ids}))"
        return f"CASE WHEN {self.condition} THEN {query} END" if self.condition else query


TAGS = Part(Tag, "json_array(t.key, t.value, t.read_only)", "tags t", "t.resource_id")
ATTACHMENTS = Part(
    Attachment, f"json_array({attachments.TABLE.qualified_columns('v')})", "attachments v", "v.instance_id"
)
ADDRESSES = Part(
    tuple[int, int, InstanceAddress, str | None],
    "json_array(p.position, s.ip_version, json_array(n.name, a.ip, s.id, s.name, p.interface_name, n.external, p.id),"
    " f.floating_ip_address)",
    "ports p JOIN addresses a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id"
    " JOIN networks n ON n.id = p.network_id"
    " LEFT JOIN floating_ips f ON f.port_id = p.id AND f.fixed_ip_address = a.ip",
)
SECURITY_GROUPS = Part(
    str,
    "g.name",
    "ports p JOIN port_security_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.security_group_id",
)
PORTS_WITH_ADDRESSES = "ports p LEFT JOIN addresses a ON a.port_id = p.id LEFT JOIN floating_ips f ON f.port_id = p.id"
BLACKHOLES = Part(
    tuple[int, str, str, int, int | None],
    "json_array(b.id, b.destination_ip, b.alarm_state, b.started_at, b.ended_at)",
    f"{PORTS_WITH_ADDRESSES} JOIN blackhole_ports b ON b.client_id IN (0, p.client_id) AND b.region_id = p.region_id"
    " AND b.destination_ip IN (a.ip, f.floating_ip_address)",
    condition="EXISTS (SELECT 1 FROM blackhole_ports)",
)
PROFILES = Part(
    tuple[Any, ...],
    f"json_array({ddos_profiles.TABLE.qualified_columns('d')})",
    f"{PORTS_WITH_ADDRESSES} JOIN ddos_profiles d ON d.client_id = p.client_id AND d.region_id = p.region_id"
    " AND d.ip_address IN (a.ip, f.floating_ip_address)",
    condition="EXISTS (SELECT 1 FROM ddos_profiles)",
)
PARTS = (TAGS, ATTACHMENTS, ADDRESSES, SECURITY_GROUPS, BLACKHOLES, PROFILES)
DECODERS = [msgspec.json.Decoder(list[tuple[str, part.row_type]], strict=False) for part in PARTS]  # type: ignore[name-defined]  # a value
"""Not strict, because booleans are stored as 0 or 1."""
TAG_KEY = attrgetter("key")
ID_OF_PROFILE = itemgetter(ddos_profiles.TABLE.fields.index("id"))


def parts_of_instances(ids: str) -> str:
    """Return the columns with the parts of all instances that a list of ids, or a query, names."""
    return ", ".join(part.of_instances(ids) for part in PARTS)


def iterate_details(tx: Tx, ids: Iterable[str], values: Sequence[str | None]) -> Iterator[InstanceDetails]:
    """Decode the columns with the parts of instances; parse the details of each when the iterator comes to it."""
    parts = [_group(DECODERS[number].decode(value)) if value else {} for number, value in enumerate(values)]
    tags_by_id, volumes_by_id, addresses_by_id, groups_by_id, blackholes_by_id, profiles_by_id = parts
    for instance_id in ids:
        blackholes, profiles = blackholes_by_id.get(instance_id), profiles_by_id.get(instance_id)
        yield InstanceDetails(
            tags=_sorted(tags_by_id.get(instance_id), TAG_KEY),
            volumes=_sorted(volumes_by_id.get(instance_id), _device),
            addresses=_addresses(_sorted(addresses_by_id.get(instance_id), _place_of_address)),
            security_groups=sorted(set(groups_by_id.get(instance_id, ()))),
            blackhole_ports=[_blackhole(row) for row in sorted(set(blackholes))] if blackholes else [],
            ddos_profile=_first_profile(tx, profiles) if profiles else None,
        )


def _group(rows: Iterable[tuple[str, Any]]) -> Mapping[str, list[Any]]:
    by_id: defaultdict[str, list[Any]] = defaultdict(list)
    for instance_id, row in rows:
        by_id[instance_id].append(row)
    return by_id


def _sorted(rows: list[Any] | None, key: Callable[[Any], Any]) -> list[Any]:
    """Sort rows, whose order in an aggregate is undefined; most instances have one."""
    if rows is None:
        return []
    if len(rows) > 1:
        rows.sort(key=key)
    return rows


def _device(attachment: Attachment) -> tuple[int, str]:
    return len(attachment.device), attachment.device


def _addresses(rows: Iterable[Row]) -> list[InstanceAddress]:
    """Return the addresses, each floating one after the fixed one that it belongs to."""
    addresses: list[InstanceAddress] = []
    for _, _, address, floating_ip in rows:
        addresses.append(address)
        if floating_ip:
            addresses.append(replace(address, addr=floating_ip, external=True, floating=True))
    return addresses


def _place_of_address(row: Row) -> tuple[int, int, str, str]:
    position, ip_version, address, _ = row
    return position, ip_version, address.addr, address.subnet_id


def _blackhole(row: Row) -> BlackholePort:
    number, address, state, started_at, ended_at = row
    return BlackholePort(
        id=number,
        client_id=0,
        region_id=0,
        destination_ip=address,
        alarm_state=state,
        started_at=started_at,
        ended_at=ended_at,
    )


def _first_profile(tx: Tx, rows: Iterable[Row]) -> DdosProfile:
    return ddos_profiles.TABLE.record_from_row(tx, min(rows, key=ID_OF_PROFILE))
