"""Instances and their details."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from pileus.domain.compute.instance_details import InstanceDetails
from pileus.domain.compute.instances import FirstBootData, Instance, InstanceKind
from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.store.account import metering
from pileus.store.compute import instance_details, instance_stamps
from pileus.store.compute.instance_details import MANY, ONE, InstanceSelection
from pileus.store.database import FOR_CHANGE, FOR_USE, Row, Tx
from pileus.store.loop_turns import take_turn_for
from pileus.store.rows import Table, in_list_placeholders
from pileus.store.scoped import place_parameters

KIND = instance_stamps.KIND
TABLE = Table("instances", Instance, secrets={"boot": lambda boot: boot != FirstBootData()})
IN_PLACE = "id = :id AND client_id = :client_id AND project_id = :project_id AND region_id = :region_id"
GET = f"SELECT {TABLE.columns} FROM instances WHERE {IN_PLACE}"
GET_STAMP = f"SELECT stamp FROM instances WHERE {IN_PLACE}"
COLUMNS_TO_SHOW = ", ".join("json_object()" if name == "boot" else f"i.{name}" for name in TABLE.fields)
"""Data of the first boot are secret, and nothing shows them."""
DECODER = msgspec.json.Decoder(tuple[list[int] | None, list[Instance] | None], strict=False)
"""Not strict, because booleans are stored as 0 or 1."""


def _with_details(selection: InstanceSelection, condition: str) -> str:
    """Return the statement that reads instances: the columns with their parts, and one with their numbers and rows."""
    arrays = f"json_group_array({selection.number}), json_group_array(json_array({COLUMNS_TO_SHOW}))"
    return (
        f"SELECT {instance_details.make_detail_expressions(selection)}, CAST(json_array({arrays}) AS TEXT)"
        f" FROM {selection.join}instances i WHERE {condition}"
    )


GET_WITH_DETAILS = _with_details(ONE, IN_PLACE)
LIST_WITH_DETAILS = _with_details(MANY, f"i.id = {MANY.id}")
OF_PORTS = (
    f"SELECT p.id, {TABLE.qualified_columns('i')} FROM ports p JOIN instances i ON i.id = p.instance_id WHERE p.id IN"
)
BATCH_SIZE = 500
"""Number of ids in one statement."""


async def find(tx: Tx, instance_id: str) -> Instance | None:
    """Return the instance with an id, of any tenant, or None. What the transaction has saved itself is not read."""
    return tx.saved_instances.get(instance_id) or await TABLE.find_by_id(tx, instance_id)


async def require(tx: Tx, instance_id: str) -> Instance:
    """Return the instance with an id like `find`. Raises NotFound."""
    return tx.saved_instances.get(instance_id) or await TABLE.require_by_id(tx, instance_id)


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


async def get_stamp(tx: Tx, place: Place, instance_id: str) -> int:
    """Return the stamp of an instance of a place; raises NotFound, also for an instance of another tenant."""
    return await _get_stamp(tx, GET_STAMP, place, instance_id)


async def lock_stamp(tx: Tx, place: Place, instance_id: str) -> int:
    """Return the stamp like `get_stamp`, and lock the instance until the transaction ends."""
    return await _get_stamp(tx, f"{GET_STAMP} {FOR_CHANGE}", place, instance_id)


async def _get_stamp(tx: Tx, statement: str, place: Place, instance_id: str) -> int:
    row = await tx.one(
        statement, id=instance_id, client_id=place.client_id, project_id=place.project_id, region_id=place.region_id
    )
    if row is None:
        raise not_found("Instance", instance_id)
    stamp: int = row[0]
    return stamp


async def get_with_details(tx: Tx, place: Place, instance_id: str) -> tuple[Instance, InstanceDetails]:
    """Return an instance of a place with its details, but without data of the first boot; raises NotFound."""
    row = await tx.one(GET_WITH_DETAILS, id=instance_id, **place_parameters(place))
    for state in _parse_states(tx, row, count=1):
        return state
    raise not_found("Instance", instance_id)


async def iterate_with_details(tx: Tx, ids: Sequence[str]) -> Iterator[tuple[Instance, InstanceDetails]]:
    """Read instances as `get_with_details` does, in no order and without those that do not exist.

    The details of each are parsed when the iterator comes to it: so many objects at once would cost the garbage
    collector.
    """
    states: list[Iterable[tuple[Instance, InstanceDetails]]] = []
    for start in range(0, len(ids), BATCH_SIZE):
        batch = ids[start : start + BATCH_SIZE]
        row = await tx.one(LIST_WITH_DETAILS, ids=msgspec.json.encode(batch).decode())
        await take_turn_for(len(ids))
        states.append(_parse_states(tx, row, len(batch)))
    return chain.from_iterable(states)


def _parse_states(tx: Tx, row: Row | None, count: int) -> Iterable[tuple[Instance, InstanceDetails]]:
    """Parse the row with the parts of `count` instances and, last, those of them that exist."""
    if row is None:
        return ()
    numbers, records = DECODER.decode(row[-1])
    details = instance_details.iterate_details(tx, numbers or (), row[:-1], count)
    return zip(records or (), details, strict=True)


async def get_baremetal(tx: Tx, place: Place, instance_id: str) -> Instance:
    """Return a bare metal server of a place; raises NotFound, also for other kinds of instances."""
    return require_baremetal(await get(tx, place, instance_id))


def require_baremetal(instance: Instance) -> Instance:
    """Return the instance if it is a bare metal server. Raises NotFound."""
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


class RecordedState(NamedTuple):
    """The state of an instance in its record, and the revision of the record."""

    status: str
    vm_state: str
    revision: int


async def list_states(tx: Tx, ids: Sequence[str], region_ids: Sequence[int]) -> dict[str, RecordedState]:
    """Return the states of instances of any tenant in some regions, by id."""
    marks, values = in_list_placeholders("id", ids)
    region_marks, regions = in_list_placeholders("region", region_ids)
    rows = await tx.all(
        f"SELECT id, status, vm_state, revision FROM instances WHERE id IN ({marks}) AND region_id IN ({region_marks})",
        **values,
        **regions,
    )
    return {row[0]: RecordedState(*row[1:]) for row in rows}


async def list_names(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    """Return the names of instances of any tenant, by id."""
    marks, values = in_list_placeholders("id", ids)
    return dict(await tx.all(f"SELECT id, name FROM instances WHERE id IN ({marks})", **values))


async def add(tx: Tx, instance: Instance) -> Instance:
    """Insert an instance, with its first stamp."""
    instance_stamps.note_stamped(tx, instance_stamps.ITSELF, instance.id)
    added = await TABLE.add(tx, replace(instance, stamp=tx.stamp))
    tx.saved_instances[added.id] = added
    return added


async def save(tx: Tx, before: Instance, after: Instance, *, is_locked: bool = False) -> Instance:
    """Write the changed fields, if there are any, and a new stamp; raises Stale.

    Billing: a new flavor closes the usage of the old one.
    """
    if before == after:
        return after
    if before.flavor_id != after.flavor_id:
        await metering.save_usage_until_now(tx, [before], after.changed_at)
    instance_stamps.note_stamped(tx, instance_stamps.ITSELF, before.id)
    saved = await TABLE.save(tx, before, replace(after, stamp=tx.stamp), is_locked=is_locked)
    tx.saved_instances[saved.id] = saved
    return saved


async def remove(tx: Tx, instance_id: str) -> None:
    """Delete an instance."""
    tx.saved_instances.pop(instance_id, None)
    await TABLE.remove(tx, instance_id)


async def bump_revision(tx: Tx, instance: Instance) -> Instance:
    """Increase the revision and write a new stamp, although no other column changes; raises Stale."""
    saved = await TABLE.save(tx, instance, replace(instance, stamp=tx.stamp))
    tx.saved_instances[saved.id] = saved
    return saved


async def list_used_flavors(tx: Tx) -> list[tuple[str, int]]:
    """Return the flavors that instances of all tenants have, with their regions."""
    return [(str(row[0]), int(row[1])) for row in await tx.all("SELECT DISTINCT flavor_id, region_id FROM instances")]
