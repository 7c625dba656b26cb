"""Instances, and what they show of other tables."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from pileus.domain.compute.instance_details import InstanceDetails
from pileus.domain.compute.instances import Instance, Kind
from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.store.account import metering
from pileus.store.compute import instance_details as parts
from pileus.store.database import Row, Tx
from pileus.store.network import ddos_profiles
from pileus.store.rows import Table, in_list

KIND = "instance"
TABLE = Table("instances", Instance)
HERE = "id = :id AND client_id = :client_id AND project_id = :project_id AND region_id = :region_id"
GET = f"SELECT {TABLE.columns} FROM instances WHERE {HERE}"  # names of our own
WHOLE = f"SELECT {TABLE.columns_as('i')}, {parts.COLUMNS} FROM instances i WHERE {HERE}"
ATTACHED = f"SELECT i.id, {parts.COLUMNS} FROM instances i WHERE i.id IN "
OF_PORTS = f"SELECT p.id, {TABLE.columns_as('i')} FROM ports p JOIN instances i ON i.id = p.instance_id WHERE p.id IN"
AT_ONCE = 500
"""Ids in one statement."""


async def get(tx: Tx, place: Place, instance_id: str) -> Instance:
    """One instance of a place; raises NotFound, for another tenant's as for one that never was."""
    row = await tx.one(
        GET, id=instance_id, client_id=place.client_id, project_id=place.project_id, region_id=place.region_id
    )
    if row is None:
        raise not_found("Instance", instance_id)
    return TABLE.record(row)


async def get_with_details(tx: Tx, place: Place, instance_id: str) -> tuple[Instance, InstanceDetails]:
    """One instance of a place with what it shows of other tables; raises NotFound."""
    row = await tx.one(
        WHOLE, id=instance_id, client_id=place.client_id, project_id=place.project_id, region_id=place.region_id
    )
    if row is None:
        raise not_found("Instance", instance_id)
    return TABLE.record(row[: -parts.WIDTH]), await _one(tx, row[-parts.WIDTH :])


async def get_baremetal(tx: Tx, place: Place, instance_id: str) -> Instance:
    """One bare metal server of a place; raises NotFound, for any other instance too."""
    return _require_baremetal(await get(tx, place, instance_id))


async def get_baremetal_with_details(tx: Tx, place: Place, instance_id: str) -> tuple[Instance, InstanceDetails]:
    """One bare metal server with what it shows of other tables; raises NotFound, for any other instance too."""
    found, hanging = await get_with_details(tx, place, instance_id)
    return _require_baremetal(found), hanging


def _require_baremetal(instance: Instance) -> Instance:
    if instance.kind != Kind.BAREMETAL:
        raise not_found("Instance", instance.id)
    return instance


async def find(tx: Tx, instance_id: str) -> Instance | None:
    """One instance, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=instance_id)


async def find_by_ports(tx: Tx, port_ids: Sequence[str]) -> dict[str, Instance]:
    """The instances that ports belong to, by the ports' ids."""
    found: dict[str, Instance] = {}
    for start in range(0, len(port_ids), AT_ONCE):
        marks, values = in_list("id", port_ids[start : start + AT_ONCE])
        rows = await tx.all(f"{OF_PORTS} ({marks})", **values)
        found |= {row[0]: TABLE.record(row[1:]) for row in rows}
    return found


async def status_of(tx: Tx, instance_id: str) -> tuple[str, str] | None:
    """Status and vm_state of an instance, whoever has it."""
    row = await tx.one("SELECT status, vm_state FROM instances WHERE id = :id", id=instance_id)
    return None if row is None else (row[0], row[1])


async def name_of(tx: Tx, instance_id: str) -> str | None:
    """The name of an instance, whoever has it."""
    row = await tx.one("SELECT name FROM instances WHERE id = :id", id=instance_id)
    return None if row is None else str(row[0])


async def add(tx: Tx, instance: Instance) -> Instance:
    """Insert an instance."""
    return await TABLE.add(tx, instance)


async def save(tx: Tx, before: Instance, after: Instance) -> Instance:
    """Write what changed, and what was used until then if it cost something else; raises Stale."""
    if before.flavor_id != after.flavor_id:
        await metering.close_usage(tx, [before], after.changed_at)
    return await TABLE.save(tx, before, after)


async def bump_revision(tx: Tx, instance: Instance) -> Instance:
    """Count a change of what hangs on an instance; raises Stale."""
    return await TABLE.bump_revision(tx, instance)


async def remove(tx: Tx, instance_id: str) -> None:
    """Delete an instance's own row."""
    await TABLE.remove(tx, instance_id)


async def details_of(tx: Tx, instance_id: str) -> InstanceDetails:
    """What one instance shows of other tables."""
    return (await details_of_each(tx, [instance_id])).get(instance_id) or InstanceDetails()


async def details_of_each(tx: Tx, ids: Sequence[str]) -> dict[str, InstanceDetails]:
    """What many instances show of other tables; an instance that is gone is left out."""
    rows: list[Row] = []
    for start in range(0, len(ids), AT_ONCE):
        marks, values = in_list("id", ids[start : start + AT_ONCE])
        rows += await tx.all(f"{ATTACHED} ({marks})", **values)
    return {row[0]: found for row, found in zip(rows, await _read(tx, [row[1:] for row in rows]), strict=True)}


async def _one(tx: Tx, row: Row) -> InstanceDetails:
    return parts.parse_details(row) if row[-1] is None else (await _read(tx, [row]))[0]


async def _read(tx: Tx, rows: Iterable[Row]) -> list[InstanceDetails]:
    found = [(parts.parse_details(row), row[-1]) for row in rows]
    wanted = sorted({number for _, number in found if number is not None})
    profiles = await ddos_profiles.list_by_ids(tx, wanted) if wanted else {}
    return [replace(one, ddos_profile=profiles[number]) if number in profiles else one for one, number in found]
