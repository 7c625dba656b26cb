"""The parts of an instance that other tables hold.

Each part is a JSON array with an array for each of its columns: a page of a list has thousands of rows, and few long
arrays are written and read faster than many short ones. One statement reads the parts of all instances that it is
about, be it one or those of a page. It numbers these instances, because numbers are shorter than ids.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from types import GenericAlias
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from pileus.domain.compute.instance_details import AttachedVolume, InstanceAddress, InstanceDetails
from pileus.domain.network.ddos_profiles import BlackholePort, DdosProfile
from pileus.domain.tags import Tag
from pileus.store.database import Row, Tx
from pileus.store.network import ddos_profiles

NUMBERS, TEXTS, FLAGS = list[int] | None, list[str] | None, list[bool] | None
"""The types of columns. PostgreSQL has no array if there are no rows."""
OPTIONAL_NUMBERS, OPTIONAL_TEXTS = list[int | None] | None, list[str | None] | None


class InstanceSelection(NamedTuple):
    """The instances that a statement is about: what joins them to a table, and the id and the number of each."""

    join: str
    id: str
    number: str


ONE = InstanceSelection("", ":id", "1")
MANY = InstanceSelection("json_each(:ids) e CROSS JOIN ", "e.value", "e.key")
"""Those of a JSON array of ids. SQLite reads tables that are cross joined in the order of the statement."""


class Part(NamedTuple):
    """A part: its columns with their types, where they come from, and the record that a row is, if not a tuple."""

    columns: Mapping[str, Any]
    source: str
    instance_id: str = "p.instance_id"
    condition: str = ""
    record: Callable[..., Any] | None = None

    def make_expression(self, selection: InstanceSelection) -> str:
        """Return the SQL expression for the columns, after that with the numbers of the instances of the rows."""
        arrays = ", ".join(f"json_group_array({column})" for column in (selection.number, *self.columns))
        rows = f"{selection.join}{self.source} WHERE {self.instance_id} = {selection.id}"
        query = f"SELECT CAST(json_array({arrays}) AS TEXT) FROM {rows}"
        return f"CASE WHEN {self.condition} THEN ({query}) END" if self.condition else f"({query})"

    def make_decoder(self) -> msgspec.json.Decoder[Any]:
        """Return a decoder of the columns. It is not strict, because booleans are stored as 0 or 1."""
        return msgspec.json.Decoder(GenericAlias(tuple, (NUMBERS, *self.columns.values())), strict=False)


TAGS = Part({"t.key": TEXTS, "t.value": TEXTS, "t.read_only": FLAGS}, "tags t", "t.resource_id", record=Tag)
VOLUMES = Part(
    {"v.volume_id": TEXTS, "v.device": TEXTS, "v.delete_on_termination": FLAGS},
    "attachments v",
    "v.instance_id",
    record=AttachedVolume,
)
ADDRESSES = Part(
    {
        "p.position": NUMBERS,
        "s.ip_version": NUMBERS,
        "a.ip": TEXTS,
        "s.id": TEXTS,
        "s.name": TEXTS,
        "n.name": TEXTS,
        "p.id": TEXTS,
        "p.interface_name": OPTIONAL_TEXTS,
        "n.external": FLAGS,
        "f.floating_ip_address": OPTIONAL_TEXTS,
    },
    "ports p JOIN addresses a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id"
    " JOIN networks n ON n.id = p.network_id"
    " LEFT JOIN floating_ips f ON f.port_id = p.id AND f.fixed_ip_address = a.ip",
)
SECURITY_GROUPS = Part(
    {"g.name": TEXTS},
    "ports p JOIN port_security_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.security_group_id",
    record=str,
)
PORTS_WITH_ADDRESSES = "ports p LEFT JOIN addresses a ON a.port_id = p.id LEFT JOIN floating_ips f ON f.port_id = p.id"
BLACKHOLES = Part(
    {
        "b.id": NUMBERS,
        "b.destination_ip": TEXTS,
        "b.alarm_state": TEXTS,
        "b.started_at": NUMBERS,
        "b.ended_at": OPTIONAL_NUMBERS,
    },
    f"{PORTS_WITH_ADDRESSES} JOIN blackhole_ports b ON b.client_id IN (0, p.client_id) AND b.region_id = p.region_id"
    " AND b.destination_ip IN (a.ip, f.floating_ip_address)",
    condition="EXISTS (SELECT 1 FROM blackhole_ports)",
)
PROFILES = Part(
    {f"d.{field}": list[Any] | None for field in ddos_profiles.TABLE.fields},
    f"{PORTS_WITH_ADDRESSES} JOIN ddos_profiles d ON d.client_id = p.client_id AND d.region_id = p.region_id"
    " AND d.ip_address IN (a.ip, f.floating_ip_address)",
    condition="EXISTS (SELECT 1 FROM ddos_profiles)",
)
PARTS = (TAGS, VOLUMES, ADDRESSES, SECURITY_GROUPS, BLACKHOLES, PROFILES)
DECODERS = [part.make_decoder() for part in PARTS]
TAG_KEY = attrgetter("key")
ORDER_OF_ADDRESSES = itemgetter(0, 1, 2, 3)
ID_OF_PROFILE = itemgetter(ddos_profiles.TABLE.fields.index("id"))


def make_detail_expressions(selection: InstanceSelection) -> str:
    """Return the SQL expressions for the parts of all instances that a statement is about."""
    return ", ".join(part.make_expression(selection) for part in PARTS)


def iterate_details(
    tx: Tx, numbers: Iterable[int], values: Sequence[str | None], count: int
) -> Iterator[InstanceDetails]:
    """Decode the columns with the parts of instances; make the details of each when the iterator comes to it.

    `numbers` are those of the instances that exist, of the `count` that the statement was about.
    """
    tags, volumes, addresses, groups, blackholes, profiles = [
        _group(part, decoder.decode(value), count) if value else [[]] * (count + 1)
        for part, decoder, value in zip(PARTS, DECODERS, values, strict=True)
    ]
    for number in numbers:
        yield InstanceDetails(
            tags=_sorted(tags[number], TAG_KEY),
            volumes=_sorted(volumes[number], _device),
            addresses=_addresses(_sorted(addresses[number], ORDER_OF_ADDRESSES)),
            security_groups=_distinct(groups[number]),
            blackhole_ports=[_blackhole(row) for row in _distinct(rows)] if (rows := blackholes[number]) else [],
            ddos_profile=_first_profile(tx, rows) if (rows := profiles[number]) else None,
        )


def _group(part: Part, columns: Sequence[list[Any] | None], count: int) -> list[list[Any]]:
    """Return the rows of each instance, by its number. Numbers begin with 0 on SQLite, and with 1 on PostgreSQL."""
    numbers, *values = [column or () for column in columns]
    rows = map(part.record, *values) if part.record else zip(*values, strict=True)
    grouped: list[list[Any]] = [[] for _ in range(count + 1)]
    for number, row in zip(numbers, rows, strict=True):
        grouped[number].append(row)
    return grouped


def _sorted(rows: list[Any], key: Callable[[Any], Any]) -> list[Any]:
    """Sort rows, whose order in an aggregate is undefined; most instances have one."""
    if len(rows) > 1:
        rows.sort(key=key)
    return rows


def _distinct(rows: list[Any]) -> list[Any]:
    return sorted(set(rows)) if len(rows) > 1 else rows


def _device(volume: AttachedVolume) -> tuple[int, str]:
    return len(volume.device), volume.device


def _addresses(rows: Iterable[Row]) -> list[InstanceAddress]:
    """Return the addresses, each floating one after the fixed one that it belongs to."""
    addresses: list[InstanceAddress] = []
    for _, _, addr, subnet_id, subnet_name, network_name, port_id, interface_name, external, floating_ip in rows:
        address = InstanceAddress(network_name, addr, subnet_id, subnet_name, port_id, interface_name, external)
        addresses.append(address)
        if floating_ip:
            addresses.append(replace(address, addr=floating_ip, external=True, floating=True))
    return addresses


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
