"""What has been used: of what there is, by the records themselves; of what is gone or has changed, in a table.

Whoever removes a record that is paid for, or changes what it costs, calls `ended` with it as it was, in the same
transaction. Nothing is written while a thing lives on unchanged.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pileus.domain.account.usage import ResourceType, UsageRecord, Window
from pileus.domain.compute.images import Image, ImageStatus
from pileus.domain.compute.instances import Instance, Kind, Status
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.ports import Port
from pileus.domain.storage.volumes import Snapshot, SnapshotStatus, Volume, VolumeStatus
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.rows import Table, in_list

Metered = Instance | Volume | Snapshot | Image | FloatingIP | Port
TABLE = Table("usage_records", UsageRecord, key="resource_id")
PUBLIC = "network_id IN (SELECT id FROM networks WHERE external = 1)"
"""Private addresses cost nothing."""
PUBLIC_LINES = f"SELECT port_id, ip, subnet_id FROM addresses WHERE port_id IN (SELECT id FROM ports WHERE {PUBLIC})"
BATCH_SIZE = 500
UNBILLED_STATUSES = {
    Status.BUILD.value, VolumeStatus.CREATING.value, SnapshotStatus.CREATING.value, ImageStatus.QUEUED.value,
    ImageStatus.SAVING.value,
}  # fmt: skip
"""What is not there yet is not paid for."""
OWN = "project_id IN (SELECT id FROM projects WHERE client_id = :client_id) AND created_at < :until"
BILLED_TABLES: tuple[tuple[Table[Any], str], ...] = (
    (Table("instances", Instance), "1 = 1"),
    (Table("volumes", Volume), "1 = 1"),
    (Table("snapshots", Snapshot), "1 = 1"),
    (Table("images", Image), "1 = 1"),
    (Table("floating_ips", FloatingIP), "1 = 1"),
    (Table("ports", Port), PUBLIC),
)
"""What is paid for, and which of it."""


async def close_usage(tx: Tx, things: Sequence[Metered], now: int) -> None:
    """Write down that things are used no more as they are, up to now."""
    for record in await _usage_records(tx, [thing for thing in things if _is_billable(thing)], now):
        if record.started_at < now:
            await TABLE.add(tx, record)


async def close_project_usage(tx: Tx, project_id: int, now: int) -> None:
    """The same for all that is in a project."""
    for table, paid in BILLED_TABLES:
        await close_usage(tx, await table.find(tx, f"project_id = :project_id AND {paid}", project_id=project_id), now)


async def list_usage(tx: Tx, client_id: int, window: Window, now: int) -> list[UsageRecord]:
    """All that a tenant has used in a window, cut to it."""
    where = "client_id = :client_id AND ended_at > :since AND started_at < :until"
    found = await TABLE.find(tx, where, client_id=client_id, since=window.start, until=window.end)
    for table, paid in BILLED_TABLES:
        alive = await table.find(tx, f"{OWN} AND {paid}", client_id=client_id, until=window.end)
        found += await _usage_records(tx, [thing for thing in alive if _is_billable(thing)], now)
    return [cut for record in found if (cut := record.clipped_to(window)) is not None]


def _is_billable(thing: Metered) -> bool:
    if isinstance(thing, Port):
        return True
    return thing.status not in UNBILLED_STATUSES and thing.client_id is not None


async def _usage_records(tx: Tx, things: Sequence[Metered], now: int) -> list[UsageRecord]:
    found = []
    for start in range(0, len(things), BATCH_SIZE):
        found += await _usage_records_of_batch(tx, things[start : start + BATCH_SIZE], now)
    return found


async def _usage_records_of_batch(tx: Tx, things: Sequence[Metered], now: int) -> list[UsageRecord]:
    around = await _related_values(tx, things)
    told = [(thing, found) for thing in things if (found := _facts(thing, around)) is not None]
    ids = [thing.id for thing, _ in told]
    if not ids:
        return []
    its, since = await tags.list_by_resources(tx, ids), await _last_ends(tx, ids)
    records = []
    for thing, (type_, facts) in told:
        labels = {tag.key: tag.value for tag in its[thing.id]}
        records.append(_record(thing, type_, facts, labels, max(since.get(thing.id, 0), thing.created_at), now))
    return records


async def _last_ends(tx: Tx, ids: Sequence[str]) -> dict[str, int]:
    """When the last interval of things that have changed ended."""
    marks, values = in_list("id", ids)
    rows = await tx.all(
        f"SELECT resource_id, max(ended_at) FROM usage_records WHERE resource_id IN ({marks}) GROUP BY resource_id",
        **values,
    )
    return {resource_id: int(moment) for resource_id, moment in rows}


async def _related_values(tx: Tx, things: Iterable[Metered]) -> dict[str, Any]:
    """What reports tell of other tables: where a volume hangs, a snapshot's volume's type, a port's first address."""
    known = list(things)
    return {
        **await _select_pairs(
            tx, "SELECT volume_id, instance_id FROM attachments WHERE volume_id", _ids(known, Volume, lambda it: it.id)
        ),
        **await _select_pairs(
            tx, "SELECT id, type_name FROM volumes WHERE id", _ids(known, Snapshot, lambda it: it.volume_id), "type of "
        ),
        **await _first_addresses(tx, f"{PUBLIC_LINES} AND port_id", _ids(known, Port, lambda it: it.id)),
    }


def _ids(things: Iterable[Metered], kind: type[Any], which: Callable[[Any], str]) -> list[str]:
    return [which(thing) for thing in things if isinstance(thing, kind)]


async def _select_pairs(tx: Tx, select: str, ids: Sequence[str], prefix: str = "") -> dict[str, Any]:
    marks, values = in_list("id", ids)
    return {f"{prefix}{row[0]}": row[1] for row in await tx.all(f"{select} IN ({marks})", **values)} if ids else {}


async def _first_addresses(tx: Tx, select: str, ids: Sequence[str]) -> dict[str, Any]:
    if not ids:
        return {}
    marks, values = in_list("id", ids)
    rows = sorted(await tx.all(f"{select} IN ({marks})", **values), key=lambda row: (":" in row[1], row[1]))
    found: dict[str, Any] = {}
    for port_id, ip, subnet_id in rows:
        found.setdefault(port_id, (ip, subnet_id))
    return found


def _facts(thing: Metered, around: dict[str, Any]) -> tuple[ResourceType, dict[str, Any]] | None:
    """The type of a thing in reports, and what they show of it; None for a port without a public address."""
    match thing:
        case Instance():
            virtual = thing.kind == Kind.VM
            return ResourceType.INSTANCE if virtual else ResourceType.BAREMETAL, {"flavor": thing.flavor_id}
        case Volume():
            facts = {"volume_type": thing.type_name, "last_size": thing.size, "attached_to_vm": around.get(thing.id)}
            return ResourceType.VOLUME, facts
        case Snapshot():
            kind = around.get(f"type of {thing.volume_id}", "standard")
            facts = {"volume_type": kind, "last_size": thing.size, "source_volume_uuid": thing.volume_id}
            return ResourceType.SNAPSHOT, facts
        case Image():
            return ResourceType.IMAGE, {"last_size": thing.size or 0}
        case FloatingIP():
            return ResourceType.FLOATING_IP, {"ip_address": thing.floating_ip_address}
    return _port_facts(thing, around)


def _port_facts(port: Port, around: dict[str, Any]) -> tuple[ResourceType, dict[str, Any]] | None:
    if port.id not in around:
        return None
    ip, subnet_id = around[port.id]
    where = {"port_id": port.id, "network_id": port.network_id, "subnet_id": subnet_id}
    return ResourceType.EXTERNAL_IP, {"ip_address": ip, **where, "attached_to_vm": port.instance_id}


def _record(  # noqa: PLR0913, PLR0917  # each is a fact of its own
    thing: Metered, type_: ResourceType, facts: dict[str, Any], its: dict[str, str], since: int, now: int
) -> UsageRecord:
    return UsageRecord(
        resource_id=thing.id,
        started_at=since,
        ended_at=now,
        type=type_.value,
        client_id=thing.client_id or 0,
        project_id=thing.project_id or 0,
        region_id=thing.region_id,
        name=str(facts.get("ip_address") or getattr(thing, "name", "")),
        facts=facts,
        tags=its,
    )
