"""Lookups of records by client, project and region: every lookup of a tenant's record asks for all three."""

from typing import TypeVar

from msgspec import Struct

from pileus.domain.account.access import ALL_CLIENTS
from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.store.database import Tx
from pileus.store.rows import Table

R = TypeVar("R", bound=Struct)
IN_PLACE = "client_id = :client_id AND project_id = :project_id AND region_id = :region_id"


def place_parameters(place: Place) -> dict[str, int]:
    """Return the parameters of `IN_PLACE`."""
    return {"client_id": place.client_id, "project_id": place.project_id, "region_id": place.region_id}


async def get(
    tx: Tx,
    table: Table[R],
    noun: str,
    place: Place,
    record_id: str | int,
    *,
    visible: str = IN_PLACE,
    lock: str = "",
) -> R:
    """Return a record for which the condition `visible` holds; raises NotFound, also for a record of another tenant.

    `lock` is FOR_USE or FOR_CHANGE to lock the record until the transaction ends.
    """
    record = await table.find_one(tx, f"id = :id AND ({visible}) {lock}", id=record_id, **place_parameters(place))
    if record is None:
        raise not_found(noun, record_id)
    return record


def in_reach_condition(client_id: int) -> str:
    """Return the condition that a row is of the tenant `:client_id`; it holds for every row if that is ALL_CLIENTS."""
    return ":client_id = client_id" if client_id != ALL_CLIENTS else ":client_id <= client_id"
