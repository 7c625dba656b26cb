"""Instances and their details."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from pileus.domain.compute.instance_details import InstanceDetails
from pileus.domain.compute.instances import FirstBootData, Instance, InstanceKind
from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.store.account import metering
from pileus.store.compute import instance_details
from pileus.store.database import FOR_USE, Row, Tx
from pileus.store.network import ddos_profiles
from pileus.store.rows import Table, in_list_placeholders
from pileus.store.scoped import place_parameters

KIND = "instance"
TABLE = Table("instances", Instance, secrets={"boot": lambda boot: boot != FirstBootData()})
find, require = TABLE.find_by_id, TABLE.require_by_id
add, bump_revision, remove = TABLE.add, TABLE.bump_revision, TABLE.remove
IN_PLACE = "id = :id AND client_id = :client_id AND project_id = :project_id AND region_id = :region_id"
GET = f"SELECT {TABLE.columns} FROM instances WHERE {IN_PLACE}"
GET_WITH_DETAILS = (
    f"SELECT {TABLE.qualified_columns('i')}, {instance_details.COLUMNS} FROM instances i WHERE {IN_PLACE}"
)
DETAILS_OF = f"SELECT i.id, {instance_details.COLUMNS} FROM instances i WHERE i.id IN "
OF_PORTS = (
    f"SELECT p.id, {TABLE.qualified_columns('i')} FROM ports p JOIN instances i ON i.id = p.instance_id WHERE p.id IN"
)
BATCH_SIZE = 500
"""Number of ids in one statement."""


async def get(tx: Tx, place: Place, instance_id: str) -> Instance:
    """Return an instance of a place; raises NotFound, also for an instance of another tenant."""
    row = await tx.one(GET, id=instance_id, **place_parameters(place))
    if row is None:
        raise not_found("Instance", instance_id)
    return TABLE.record_from_row(tx, row)


async def get_for_use(tx: Tx, place: Place, instance_id: str) -> Instance:
    """Return an instance like `get`; nobody changes or deletes it until the transaction ends."""
    row = await tx.one(f"{GET} {FOR_USE}", id=instance_id, **place_parameters(place))
    if row is None:
        raise not_found("Instance", instance_id)
    return TABLE.record_from_row(tx, row)


async def get_with_details(
    tx: Tx, place: Place, instance_id: str, *, lock: str = ""
) -> tuple[Instance, InstanceDetails]:
    """Return an instance of a place with its details; raises NotFound.

    `lock` is FOR_USE or FOR_CHANGE to lock the instance until the transaction ends.
    """
    row = await tx.one(f"{GET_WITH_DETAILS} {lock}", id=instance_id, **place_parameters(place))
    if row is None:
        raise not_found("Instance", instance_id)
    return TABLE.record_from_row(tx, row[: -instance_details.WIDTH]), await _details_of_row(
        tx, row[-instance_details.WIDTH :]
    )


async def get_baremetal(tx: Tx, place: Place, instance_id: str) -> Instance:
    """Return a bare metal server of a place; raises NotFound, also for other kinds of instances."""
    return _require_baremetal(await get(tx, place, instance_id))


async def get_baremetal_with_details(
    tx: Tx, place: Place, instance_id: str, *, lock: str = ""
) -> tuple[Instance, InstanceDetails]:
    """Return a bare metal server with its details; raises NotFound, also for other kinds of instances."""
    instance, details = await get_with_details(tx, place, instance_id, lock=lock)
    return _require_baremetal(instance), details


def _require_baremetal(instance: Instance) -> Instance:
    if instance.kind != InstanceKind.BAREMETAL:
        raise not_found("Instance", instance.id)
    return instance


async def find_by_port_ids(tx: Tx, port_ids: Sequence[str]) -> dict[str, Instance]:
    """Return the instances of ports, by port id."""
    instances: dict[str, Instance] = {}
    for start in range(0, len(port_ids), BATCH_SIZE):
        marks, values = in_list_placeholders("id", port_ids[start : start + BATCH_SIZE])
        rows = await tx.all(f"{OF_PORTS} ({marks})", **values)
        instances |= {row[0]: TABLE.record_from_row(tx, row[1:]) for row in rows}
    return instances


async def list_statuses_and_vm_states(tx: Tx, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return status and vm_state of instances of any tenant, by id."""
    marks, values = in_list_placeholders("id", ids)
    rows = await tx.all(f"SELECT id, status, vm_state FROM instances WHERE id IN ({marks})", **values)
    return {instance_id: (status, vm_state) for instance_id, status, vm_state in rows}


async def list_names(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    """Return the names of instances of any tenant, by id."""
    marks, values = in_list_placeholders("id", ids)
    return dict(await tx.all(f"SELECT id, name FROM instances WHERE id IN ({marks})", **values))


async def save(tx: Tx, before: Instance, after: Instance) -> Instance:
    """Write the changed fields; raises Stale.

    Billing: a new flavor closes the usage of the old one.
    """
    if before.flavor_id != after.flavor_id:
        await metering.save_usage_until_now(tx, [before], after.changed_at)
    return await TABLE.save(tx, before, after)


async def list_details_by_instance(tx: Tx, ids: Sequence[str]) -> dict[str, InstanceDetails]:
    """Return the details of instances, without those that do not exist."""
    rows: list[Row] = []
    for start in range(0, len(ids), BATCH_SIZE):
        marks, values = in_list_placeholders("id", ids[start : start + BATCH_SIZE])
        rows += await tx.all(f"{DETAILS_OF} ({marks})", **values)
    details = await _details_of_rows(tx, [row[1:] for row in rows])
    return dict(zip((row[0] for row in rows), details, strict=True))


async def _details_of_row(tx: Tx, row: Row) -> InstanceDetails:
    return instance_details.parse_details_columns(row) if row[-1] is None else (await _details_of_rows(tx, [row]))[0]


async def _details_of_rows(tx: Tx, rows: Iterable[Row]) -> list[InstanceDetails]:
    parsed = [(instance_details.parse_details_columns(row), row[-1]) for row in rows]
    profile_ids = sorted({profile_id for _, profile_id in parsed if profile_id is not None})
    profiles = await ddos_profiles.list_by_ids(tx, profile_ids) if profile_ids else {}
    return [
        replace(details, ddos_profile=profiles[profile_id]) if profile_id in profiles else details
        for details, profile_id in parsed
    ]
