"""The parts of an instance that other tables hold, read by the statement that reads the instance.

Each part is a JSON array in that of the instance. So an instance is one value whatever it has attached, and one query
reads all of it.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from pileus.domain.compute.instance_details import InstanceAddress, InstanceDetails
from pileus.domain.network.ddos_profiles import BlackholePort
from pileus.domain.storage.volumes import Attachment
from pileus.domain.tags import Tag
from pileus.store.database import Row, Tx
from pileus.store.network import ddos_profiles

# The order of rows in an aggregate is undefined, so each part is sorted when it is parsed.
PARTS = """
(
    SELECT json_group_array(json_array(t.key, t.value, t.read_only)) FROM tags t WHERE t.resource_id = i.id
),
(
    SELECT json_group_array(json_array(
        v.volume_id, v.id, v.instance_id, v.device, v.boot_index, v.delete_on_termination, v.attachment_tag,
        v.attached_at
    ))
    FROM attachments v WHERE v.instance_id = i.id
),
(
    SELECT json_group_array(json_array(
        p.position, s.ip_version, a.ip, s.id, s.name, p.id, n.name, n.external, p.interface_name
    ))
    FROM ports p JOIN addresses a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id
    JOIN networks n ON n.id = p.network_id
    WHERE p.instance_id = i.id
),
(
    SELECT json_group_array(json_array(f.port_id, f.fixed_ip_address, f.floating_ip_address))
    FROM ports p JOIN floating_ips f ON f.port_id = p.id WHERE p.instance_id = i.id
),
(
    SELECT json_group_array(g.name)
    FROM ports p JOIN port_security_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.security_group_id
    WHERE p.instance_id = i.id
),
(
    SELECT json_group_array(json_array(b.id, b.destination_ip, b.alarm_state, b.started_at, b.ended_at))
    FROM ports p LEFT JOIN addresses a ON a.port_id = p.id LEFT JOIN floating_ips f ON f.port_id = p.id
    JOIN blackhole_ports b ON b.client_id IN (0, p.client_id) AND b.region_id = p.region_id
        AND b.destination_ip IN (a.ip, f.floating_ip_address)
    WHERE p.instance_id = i.id AND EXISTS (SELECT 1 FROM blackhole_ports)
),
(
    SELECT json_array({profile})
    FROM ports p LEFT JOIN addresses a ON a.port_id = p.id LEFT JOIN floating_ips f ON f.port_id = p.id
    JOIN ddos_profiles d ON d.client_id = p.client_id AND d.region_id = p.region_id
        AND d.ip_address IN (a.ip, f.floating_ip_address)
    WHERE p.instance_id = i.id AND EXISTS (SELECT 1 FROM ddos_profiles)
    ORDER BY d.id LIMIT 1
)
""".format(profile=ddos_profiles.TABLE.qualified_columns("d"))

PART_TYPES: tuple[Any, ...] = (
    list[tuple[str, str, int]],
    list[tuple[str, str, str, str, int, int, str | None, int]],
    list[tuple[int, int, str, str, str, str, str, int, str | None]],
    list[tuple[str, str | None, str]],
    list[str],
    list[tuple[int, str, str, int, int | None]],
    tuple[Any, ...],
)
"""Tags, attachments, fixed addresses, floating IPs, names of security groups, alarms, and a DDoS profile.

SQLite may return a part as a text in the document, if it has stored the part in between.
"""
DECODERS = tuple(msgspec.json.Decoder(part_type) for part_type in PART_TYPES)


def parse_details(tx: Tx, parts: Row) -> InstanceDetails:
    """Parse the parts of an instance."""
    tags, volumes, addresses, floating, groups, blackholes, profile = map(_nested, parts, DECODERS)
    return InstanceDetails(
        tags=[Tag(key, value, bool(read_only)) for key, value, read_only in sorted(tags)],
        volumes=[_attachment(item) for item in sorted(volumes, key=_device)],
        addresses=list(_addresses(sorted(addresses), floating)),
        security_groups=sorted(set(groups)),
        blackhole_ports=[_blackhole(item) for item in sorted(set(blackholes))],
        ddos_profile=ddos_profiles.TABLE.record_from_row(tx, profile) if profile else None,
    )


def _nested(part: Any, decoder: msgspec.json.Decoder[Any]) -> Any:
    return (decoder.decode(part) if isinstance(part, str) else part) or ()


def _device(item: Row) -> tuple[int, str]:
    return len(item[3]), item[3]


def _attachment(item: Row) -> Attachment:
    volume_id, attachment_id, instance_id, device, boot_index, delete, tag, attached_at = item
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
    floating_by_fixed = {(port_id, ip): address for port_id, ip, address in floating}
    for _, _, ip, subnet_id, subnet_name, port_id, network_name, external, interface_name in fixed:
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
    number, address, state, started_at, ended_at = item
    return BlackholePort(
        id=number,
        client_id=0,
        region_id=0,
        destination_ip=address,
        alarm_state=state,
        started_at=started_at,
        ended_at=ended_at,
    )
