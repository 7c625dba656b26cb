"""Usage that is billed: of existing resources by their records, of removed or changed ones in a table.

Code that removes a billed record, or changes its price, calls `save_usage_until_now` with the record as it was, in
the same transaction. Nothing is written while a resource exists unchanged.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pileus.domain.account.usage_reports import BilledResourceType, TimeWindow, UsageRecord
from pileus.domain.compute.images import Image, ImageStatus
from pileus.domain.compute.instances import Instance, InstanceKind, Status
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.parts import ProvisioningStatus
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.ports import Port
from pileus.domain.storage.file_shares import FileShare
from pileus.domain.storage.volumes import Snapshot, SnapshotStatus, Volume, VolumeStatus
from pileus.store import retention, tags
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns, take_turn_for
from pileus.store.rows import Table, in_list_placeholders

Billed = Instance | Volume | Snapshot | Image | FloatingIP | Port | LoadBalancer | FileShare
TABLE = Table("usage_records", UsageRecord, key="resource_id")
PUBLIC = "external = 1"
"""Private addresses are free."""
PUBLIC_ADDRESSES = (
    "SELECT a.port_id, a.ip, a.subnet_id FROM addresses a JOIN ports p ON p.id = a.port_id WHERE p.external = 1"
)
BATCH_SIZE = 100
UNBILLED_STATUSES = {
    Status.BUILD.value, VolumeStatus.CREATING.value, SnapshotStatus.CREATING.value, ImageStatus.QUEUED.value,
    ImageStatus.SAVING.value,
}  # fmt: skip
"""Resources that are still being created are not billed."""
OWN = "project_id IN (SELECT id FROM projects WHERE client_id = :client_id) AND created_at < :until"
BILLED_TABLES: tuple[tuple[Table[Any], str], ...] = (
    (Table("instances", Instance), "1 = 1"),
    (Table("volumes", Volume), "1 = 1"),
    (Table("snapshots", Snapshot), "1 = 1"),
    (Table("images", Image), "1 = 1"),
    (Table("floating_ips", FloatingIP), "1 = 1"),
    (Table("file_shares", FileShare), "1 = 1"),
    (Table("ports", Port), PUBLIC),
    (Table("load_balancers", LoadBalancer), "1 = 1"),
)
"""Billed tables, each with the condition that selects its billed rows."""


async def save_usage_until_now(tx: Tx, resources: Sequence[Billed], now: int) -> None:
    """Save the usage of resources up to now, before they are removed or their price changes."""
    records = await _usage_records(tx, [resource for resource in resources if _is_billable(resource)], now)
    await TABLE.add_all(tx, [record for record in records if record.started_at < now])


async def save_project_usage_until_now(tx: Tx, project_id: int, now: int) -> None:
    """Save the usage of all resources in a project up to now."""
    for table, billed in BILLED_TABLES:
        await save_usage_until_now(
            tx, await table.find(tx, f"project_id = :project_id AND {billed}", project_id=project_id), now
        )


async def list_usage(tx: Tx, client_id: int, window: TimeWindow, now: int) -> list[UsageRecord]:
    """Return all usage of a tenant in a window, clipped to it and to the time since which all usage is kept."""
    window = TimeWindow(max(window.start, await retention.get_usage_start(tx)), window.end)
    where = "client_id = :client_id AND ended_at > :since AND started_at < :until"
    records = await TABLE.find_many(tx, where, client_id=client_id, since=window.start, until=window.end)
    for table, billed in BILLED_TABLES:
        existing = await table.find_many(tx, f"{OWN} AND {billed}", client_id=client_id, until=window.end)
        billable = await build_in_turns(resource for resource in existing if _is_billable(resource))
        for start in range(0, len(billable), BATCH_SIZE):
            await take_turn_for(len(billable))
            records += await _usage_records(tx, billable[start : start + BATCH_SIZE], now)
    clipped_records = (record.clipped_to(window) for record in records)
    return await build_in_turns(record for record in clipped_records if record is not None)


def _is_billable(resource: Billed) -> bool:
    if isinstance(resource, Port):
        return True
    if isinstance(resource, LoadBalancer):
        return resource.provisioning_status != ProvisioningStatus.PENDING_CREATE
    return resource.status not in UNBILLED_STATUSES and resource.client_id is not None


async def _usage_records(tx: Tx, resources: Sequence[Billed], now: int) -> list[UsageRecord]:
    records = []
    for start in range(0, len(resources), BATCH_SIZE):
        records += await _usage_records_of_batch(tx, resources[start : start + BATCH_SIZE], now)
    return records


async def _usage_records_of_batch(tx: Tx, resources: Sequence[Billed], now: int) -> list[UsageRecord]:
    related = await _list_related_values(tx, resources)
    billed = [(resource, typed) for resource in resources if (typed := _facts(resource, related)) is not None]
    ids = [resource.id for resource, _ in billed]
    if not ids:
        return []
    tags_by_resource, last_ends = await tags.list_by_resources(tx, ids), await _last_ends(tx, ids)
    records = []
    for resource, (type_, facts) in billed:
        labels = {tag.key: tag.value for tag in tags_by_resource[resource.id]}
        since = max(last_ends.get(resource.id, 0), resource.created_at)
        records.append(_record(resource, type_, facts, labels, since, now))
    return records


async def _last_ends(tx: Tx, ids: Sequence[str]) -> dict[str, int]:
    """Return the end of the last saved usage of each resource that has changed."""
    marks, values = in_list_placeholders("id", ids)
    rows = await tx.all(
        f"SELECT resource_id, max(ended_at) FROM usage_records WHERE resource_id IN ({marks}) GROUP BY resource_id",
        **values,
    )
    return {resource_id: int(ended_at) for resource_id, ended_at in rows}


async def _list_related_values(tx: Tx, resources: Iterable[Billed]) -> dict[str, Any]:
    """Return what usage records show of other tables: instances of volumes, volume types, addresses of ports."""
    billed = list(resources)
    return {
        **await _select_pairs(
            tx,
            "SELECT volume_id, instance_id FROM attachments WHERE volume_id",
            _ids(billed, Volume, lambda volume: volume.id),
        ),
        **await _select_pairs(
            tx,
            "SELECT id, type_name FROM volumes WHERE id",
            _ids(billed, Snapshot, lambda snapshot: snapshot.volume_id),
            "type of ",
        ),
        **await _first_addresses(tx, f"{PUBLIC_ADDRESSES} AND a.port_id", _ids(billed, Port, lambda port: port.id)),
    }


def _ids(resources: Iterable[Billed], kind: type[Any], id_of: Callable[[Any], str]) -> list[str]:
    return [id_of(resource) for resource in resources if isinstance(resource, kind)]


async def _select_pairs(tx: Tx, select: str, ids: Sequence[str], prefix: str = "") -> dict[str, Any]:
    marks, values = in_list_placeholders("id", ids)
    return {f"{prefix}{row[0]}": row[1] for row in await tx.all(f"{select} IN ({marks})", **values)} if ids else {}


async def _first_addresses(tx: Tx, select: str, ids: Sequence[str]) -> dict[str, Any]:
    if not ids:
        return {}
    marks, values = in_list_placeholders("id", ids)
    rows = sorted(await tx.all(f"{select} IN ({marks})", **values), key=lambda row: (":" in row[1], row[1]))
    addresses: dict[str, Any] = {}
    for port_id, ip, subnet_id in rows:
        addresses.setdefault(port_id, (ip, subnet_id))
    return addresses


def _facts(resource: Billed, related: dict[str, Any]) -> tuple[BilledResourceType, dict[str, Any]] | None:
    """Return the type and the facts that a usage record shows of a resource; None for a port without public address."""
    match resource:
        case Instance():
            return _server_type(resource), {"flavor": resource.flavor_id}
        case Volume():
            facts = {
                "volume_type": resource.type_name,
                "last_size": resource.size,
                "attached_to_vm": related.get(resource.id),
            }
            return BilledResourceType.VOLUME, facts
        case Snapshot():
            volume_type = related.get(f"type of {resource.volume_id}", "standard")
            facts = {"volume_type": volume_type, "last_size": resource.size, "source_volume_uuid": resource.volume_id}
            return BilledResourceType.SNAPSHOT, facts
        case Image() | FileShare():
            return _size_facts(resource)
        case LoadBalancer():
            return BilledResourceType.LOAD_BALANCER, {"flavor": resource.flavor_name}
    return _address_facts(resource, related)


def _size_facts(resource: Image | FileShare) -> tuple[BilledResourceType, dict[str, Any]]:
    if isinstance(resource, Image):
        return BilledResourceType.IMAGE, {"last_size": resource.size or 0}
    facts = {"file_share_type": resource.type_name, "last_size": resource.size}
    return BilledResourceType.FILE_SHARE, facts


def _server_type(instance: Instance) -> BilledResourceType:
    return BilledResourceType.INSTANCE if instance.kind == InstanceKind.VM else BilledResourceType.BAREMETAL


def _address_facts(
    port: FloatingIP | Port, related: dict[str, Any]
) -> tuple[BilledResourceType, dict[str, Any]] | None:
    if isinstance(port, FloatingIP):
        return BilledResourceType.FLOATING_IP, {"ip_address": port.floating_ip_address}
    if port.id not in related:
        return None
    ip, subnet_id = related[port.id]
    ids = {"port_id": port.id, "network_id": port.network_id, "subnet_id": subnet_id}
    return BilledResourceType.EXTERNAL_IP, {"ip_address": ip, **ids, "attached_to_vm": port.instance_id}


def _record(
    resource: Billed, type_: BilledResourceType, facts: dict[str, Any], labels: dict[str, str], since: int, now: int
) -> UsageRecord:
    return UsageRecord(
        resource_id=resource.id,
        started_at=since,
        ended_at=now,
        type=type_.value,
        client_id=resource.client_id or 0,
        project_id=resource.project_id or 0,
        region_id=resource.region_id,
        name=str(facts.get("ip_address") or getattr(resource, "name", "")),
        facts=facts,
        tags=labels,
    )
