"""Instances, and what they show of other tables."""

from collections.abc import Callable, Iterable, Sequence

from pileus.domain.attached import Attached, InstanceAddress
from pileus.domain.ddos_profiles import BlackholePort, DdosProfile
from pileus.domain.errors import not_found
from pileus.domain.instances import Instance
from pileus.domain.places import Place
from pileus.domain.tags import Tag
from pileus.domain.volumes import Attachment
from pileus.store import ddos_profiles
from pileus.store.database import Row, Tx
from pileus.store.rows import Table, listed

KIND = "instance"
TABLE = Table("instances", Instance)
GET = (
    f"SELECT {TABLE.columns} FROM instances WHERE id = :id"  # noqa: S608  # names of our own
    " AND client_id = :client_id AND project_id = :project_id AND region_id = :region_id"
)

ATTACHED = """
SELECT 'tag' AS sort, t.resource_id AS owner, t.read_only AS place, t.key AS a, t.value AS b, CAST(NULL AS TEXT) AS c,
    CAST(NULL AS TEXT) AS d, CAST(NULL AS TEXT) AS e, CAST(NULL AS TEXT) AS f, CAST(NULL AS BIGINT) AS x, CAST(NULL AS BIGINT) AS y
FROM tags t WHERE t.resource_id IN ({ids})
UNION ALL
SELECT 'volume', v.instance_id, v.boot_index, v.volume_id, v.id, v.device, v.attachment_tag, NULL, NULL,
    v.delete_on_termination, v.attached_at
FROM attachments v WHERE v.instance_id IN ({ids})
UNION ALL
SELECT 'address', p.instance_id, p.position, a.ip, s.id, s.name, p.id, n.name, p.interface_name, n.external, s.ip_version
FROM ports p JOIN addresses a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id JOIN networks n ON n.id = p.network_id
WHERE p.instance_id IN ({ids})
UNION ALL
SELECT 'floating', p.instance_id, p.position, f.floating_ip_address, f.fixed_ip_address, NULL, p.id, NULL, NULL, 0, 0
FROM ports p JOIN floating_ips f ON f.port_id = p.id
WHERE p.instance_id IN ({ids})
UNION ALL
SELECT 'group', p.instance_id, 0, g.name, NULL, NULL, NULL, NULL, NULL, 0, 0
FROM ports p JOIN port_security_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.security_group_id
WHERE p.instance_id IN ({ids})
UNION ALL
SELECT 'blackhole', p.instance_id, b.id, b.destination_ip, b.alarm_state, NULL, NULL, NULL, NULL, b.started_at, b.ended_at
FROM ports p LEFT JOIN addresses a ON a.port_id = p.id LEFT JOIN floating_ips f ON f.port_id = p.id
JOIN blackhole_ports b ON b.region_id = p.region_id AND b.destination_ip IN (a.ip, f.floating_ip_address)
WHERE p.instance_id IN ({ids}) AND EXISTS (SELECT 1 FROM blackhole_ports)
UNION ALL
SELECT 'ddos', p.instance_id, d.id, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0
FROM ports p LEFT JOIN addresses a ON a.port_id = p.id LEFT JOIN floating_ips f ON f.port_id = p.id
JOIN ddos_profiles d ON d.region_id = p.region_id AND d.ip_address IN (a.ip, f.floating_ip_address)
WHERE p.instance_id IN ({ids}) AND EXISTS (SELECT 1 FROM ddos_profiles)
"""
ATTACHED_TO_ONE = ATTACHED.replace("IN ({ids})", "= :id")
SORTS = ("tag", "volume", "address", "floating", "group", "blackhole", "ddos")
AT_ONCE = 500
"""Ids in one statement: each stands in it once for every part."""


async def get(tx: Tx, place: Place, instance_id: str) -> Instance:
    """One instance of a place; raises NotFound, for another tenant's as for one that never was."""
    row = await tx.one(
        GET, id=instance_id, client_id=place.client_id, project_id=place.project_id, region_id=place.region_id
    )
    if row is None:
        raise not_found("Instance", instance_id)
    return TABLE.record(row)


async def find(tx: Tx, instance_id: str) -> Instance | None:
    """One instance, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=instance_id)


async def standing_of(tx: Tx, instance_id: str) -> tuple[str, str] | None:
    """Status and vm_state of an instance, whoever has it."""
    row = await tx.one("SELECT status, vm_state FROM instances WHERE id = :id", id=instance_id)
    return None if row is None else (row[0], row[1])


async def add(tx: Tx, instance: Instance) -> Instance:
    """Insert an instance."""
    return await TABLE.add(tx, instance)


async def save(tx: Tx, before: Instance, after: Instance) -> Instance:
    """Write what changed; raises Stale."""
    return await TABLE.save(tx, before, after)


async def remove(tx: Tx, instance_id: str) -> None:
    """Delete an instance's own row."""
    await TABLE.remove(tx, instance_id)


async def attached(tx: Tx, instance_id: str) -> Attached:
    """What one instance shows of other tables."""
    rows = await tx.all(ATTACHED_TO_ONE, id=instance_id)
    return await _gathered(tx, rows)


async def attached_to(tx: Tx, ids: Sequence[str]) -> dict[str, Attached]:
    """What many instances show of other tables."""
    groups: dict[str, list[Row]] = {instance_id: [] for instance_id in ids}
    for start in range(0, len(ids), AT_ONCE):
        marks, values = listed("id", ids[start : start + AT_ONCE])
        for row in await tx.all(ATTACHED.replace("{ids}", marks), **values):
            groups[row[1]].append(row)
    return {instance_id: await _gathered(tx, rows) for instance_id, rows in groups.items()}


async def _gathered(tx: Tx, rows: Iterable[Row]) -> Attached:
    parts: dict[str, list[Row]] = {sort: [] for sort in SORTS}
    for row in rows:
        parts[row[0]].append(row)
    return Attached(
        tags=sorted([Tag(row[3], row[4], bool(row[2])) for row in parts["tag"]], key=_key),
        volumes=[_attachment(row) for row in sorted(parts["volume"], key=_device)],
        addresses=_addresses(parts) if parts["address"] else [],
        security_groups=sorted({row[3] for row in parts["group"]}),
        blackhole_ports=_blackholes(parts["blackhole"]) if parts["blackhole"] else [],
        ddos_profile=await _ddos_profile(tx, parts["ddos"]) if parts["ddos"] else None,
    )


def _key(tag: Tag) -> str:
    return tag.key


def _device(row: Row) -> tuple[int, str]:
    return len(row[5]), row[5]


def _attachment(row: Row) -> Attachment:
    _, instance_id, boot_index, volume_id, attachment_id, device, tag, _, _, delete, attached_at = row
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


def _addresses(parts: dict[str, list[Row]]) -> list[InstanceAddress]:
    fixed = sorted(parts["address"], key=lambda row: (row[2], row[10], row[3]))
    floating: dict[tuple[str, str], Row] = {(row[6], row[4]): row for row in parts["floating"]}
    result = []
    for _, _, _, ip, subnet_id, subnet_name, port_id, network_name, interface_name, external, _ in fixed:
        address = _address_of(network_name, subnet_id, subnet_name, port_id, interface_name)
        result.append(address(ip, external=bool(external), floating=False))
        if found := floating.get((port_id, ip)):
            result.append(address(found[3], external=True, floating=True))
    return result


def _address_of(
    network_name: str, subnet_id: str, subnet_name: str, port_id: str, interface_name: str | None
) -> Callable[..., InstanceAddress]:
    def address(addr: str, *, external: bool, floating: bool) -> InstanceAddress:
        return InstanceAddress(
            network_name=network_name,
            addr=addr,
            subnet_id=subnet_id,
            subnet_name=subnet_name,
            interface_name=interface_name,
            external=external,
            port_id=port_id,
            floating=floating,
        )

    return address


def _blackholes(rows: Sequence[Row]) -> list[BlackholePort]:
    found = {
        row[2]: BlackholePort(
            id=row[2], region_id=0, destination_ip=row[3], alarm_state=row[4], started_at=row[9], ended_at=row[10]
        )
        for row in rows
    }
    return [found[number] for number in sorted(found)]


async def _ddos_profile(tx: Tx, rows: Sequence[Row]) -> DdosProfile | None:
    first = min(row[2] for row in rows)
    return (await ddos_profiles.of_ids(tx, [first])).get(first)
