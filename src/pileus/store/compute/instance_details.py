"""The parts of an instance that other tables hold.

Each part is a JSON array of rows. So an instance is one value whatever it has attached: one query reads it with its
parts, and another one reads the instances of a list with each part of all of them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from pileus.domain.compute.instance_details import InstanceAddress, InstanceDetails
from pileus.domain.network.ddos_profiles import BlackholePort
from pileus.domain.storage.volumes import Attachment
from pileus.domain.tags import Tag
from pileus.store.database import Row, Tx
from pileus.store.network import ddos_profiles


class Part(NamedTuple):
    """The rows of a part: their values, where they come from, and the column that names the instance."""

    row_type: Any
    values: str
    source: str
    instance_id: str = "p.instance_id"
    condition: str = ""

    @property
    def rows(self) -> str:
        """The expression for the array of all rows; each ends with the id of the instance."""
        return f"json_group_array(json_array({self.values}, {self.instance_id}))"

    @property
    def of_one_instance(self) -> str:
        """The query of the part, inside one of the instance `i`."""
        condition = f" AND {self.condition}" if self.condition else ""
        return f"(SELECT {self.rows} FROM {self.source} WHERE {self.instance_id} = i.id{condition})"

    def of_instances(self, marks: str) -> str:
        """The expression for the part of all instances whose ids stand for the marks."""
        query = f"(SELECT CAST({self.rows} AS TEXT) FROM {self.source} WHERE {self.instance_id} IN ({marks}))"
        return f"CASE WHEN {self.condition} THEN {query} END" if self.condition else query


TAGS = Part(tuple[str, str, int, str], "t.key, t.value, t.read_only", "tags t", "t.resource_id")
ATTACHMENTS = Part(
    tuple[str, str, str, int, int, str | None, int, str],
    "v.volume_id, v.id, v.device, v.boot_index, v.delete_on_termination, v.attachment_tag, v.attached_at",
    "attachments v",
    "v.instance_id",
)
ADDRESSES = Part(
    tuple[int, int, str, str, str, str, str, int, str | None, str],
    "p.position, s.ip_version, a.ip, s.id, s.name, p.id, n.name, n.external, p.interface_name",
    "ports p JOIN addresses a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id"
    " JOIN networks n ON n.id = p.network_id",
)
FLOATING_IPS = Part(
    tuple[str, str | None, str, str],
    "f.port_id, f.fixed_ip_address, f.floating_ip_address",
    "ports p JOIN floating_ips f ON f.port_id = p.id",
)
SECURITY_GROUPS = Part(
    tuple[str, str],
    "g.name",
    "ports p JOIN port_security_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.security_group_id",
)
PORTS_WITH_ADDRESSES = "ports p LEFT JOIN addresses a ON a.port_id = p.id LEFT JOIN floating_ips f ON f.port_id = p.id"
BLACKHOLES = Part(
    tuple[int, str, str, int, int | None, str],
    "b.id, b.destination_ip, b.alarm_state, b.started_at, b.ended_at",
    f"{PORTS_WITH_ADDRESSES} JOIN blackhole_ports b ON b.client_id IN (0, p.client_id) AND b.region_id = p.region_id"
    " AND b.destination_ip IN (a.ip, f.floating_ip_address)",
    condition="EXISTS (SELECT 1 FROM blackhole_ports)",
)
PROFILES = Part(
    tuple[Any, ...],
    ddos_profiles.TABLE.qualified_columns("d"),
    f"{PORTS_WITH_ADDRESSES} JOIN ddos_profiles d ON d.client_id = p.client_id AND d.region_id = p.region_id"
    " AND d.ip_address IN (a.ip, f.floating_ip_address)",
    condition="EXISTS (SELECT 1 FROM ddos_profiles)",
)
PARTS = (TAGS, ATTACHMENTS, ADDRESSES, FLOATING_IPS, SECURITY_GROUPS, BLACKHOLES, PROFILES)
PARTS_OF_ONE = ", ".join(part.of_one_instance for part in PARTS)
"""The order of rows in an aggregate is undefined, so each part is sorted when it is parsed."""
DECODERS = tuple(msgspec.json.Decoder(list[part.row_type]) for part in PARTS)  # type: ignore[name-defined]  # a value
ID_OF_PROFILE = ddos_profiles.TABLE.fields.index("id")


def parts_of_instances(marks: str) -> str:
    """Return the columns with the parts of all instances whose ids stand for the marks."""
    return ", ".join(part.of_instances(marks) for part in PARTS)


def decode_parts_by_id(values: Sequence[str | None], ids: Iterable[str]) -> dict[str, list[list[Row]]]:
    """Decode the columns with the parts of instances; return the parts of each by its id."""
    parts_by_id: dict[str, list[list[Row]]] = {instance_id: [[] for _ in PARTS] for instance_id in ids}
    for number, value in enumerate(values):
        for item in DECODERS[number].decode(value) if value else ():
            parts_by_id[item[-1]][number].append(item)
    return parts_by_id


def decode_parts(values: Sequence[Any]) -> list[list[Row]]:
    """Decode the parts of one instance, as the database returns them."""
    return [_nested(value, decoder) for value, decoder in zip(values, DECODERS, strict=True)]


def parse_details(tx: Tx, parts: Sequence[list[Row]]) -> InstanceDetails:
    """Parse the parts of an instance."""
    tags, volumes, addresses, floating, groups, blackholes, profiles = parts
    profile = min(profiles, key=_profile_id, default=None)
    return InstanceDetails(
        tags=[Tag(key, value, bool(read_only)) for key, value, read_only, _ in sorted(tags)],
        volumes=[_attachment(item) for item in sorted(volumes, key=_device)],
        addresses=list(_addresses(sorted(addresses), floating)),
        security_groups=sorted({name for name, _ in groups}),
        blackhole_ports=[_blackhole(item) for item in sorted(set(blackholes))],
        ddos_profile=None if profile is None else ddos_profiles.TABLE.record_from_row(tx, profile),
    )


def _profile_id(profile: Row) -> int:
    number: int = profile[ID_OF_PROFILE]
    return number


def _nested(part: Any, decoder: msgspec.json.Decoder[list[Row]]) -> list[Row]:
    """SQLite may return a part as a text in the document, if it has stored the part in between."""
    return decoder.decode(part) if isinstance(part, str) else [tuple(row) for row in part or ()]


def _device(item: Row) -> tuple[int, str]:
    return len(item[2]), item[2]


def _attachment(item: Row) -> Attachment:
    volume_id, attachment_id, device, boot_index, delete, tag, attached_at, instance_id = item
    return Attachment(
        volume_id=volume_id,
        id=attachment_id,
        instance_id=instance_id,
        device=device,
        boot_index=boot_index,
        delete_on_termination=bool(delete),
        attachment_tag=tag,
        attached_at=attached_at,
    )


def _addresses(fixed: Iterable[Row], floating: Iterable[Row]) -> Iterable[InstanceAddress]:
    floating_by_fixed = {(port_id, ip): address for port_id, ip, address, _ in floating}
    for _, _, ip, subnet_id, subnet_name, port_id, network_name, external, interface_name, _ in fixed:
        address = InstanceAddress(
            network_name=network_name,
            addr=ip,
            subnet_id=subnet_id,
            subnet_name=subnet_name,
            interface_name=interface_name,
            external=bool(external),
            port_id=port_id,
        )
        yield address
        if floating_ip := floating_by_fixed.get((port_id, ip)):
            yield msgspec.structs.replace(address, addr=floating_ip, external=True, floating=True)


def _blackhole(item: Row) -> BlackholePort:
    number, address, state, started_at, ended_at, _ = item
    return BlackholePort(
        id=number,
        client_id=0,
        region_id=0,
        destination_ip=address,
        alarm_state=state,
        started_at=started_at,
        ended_at=ended_at,
    )
