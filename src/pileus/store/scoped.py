"""Records that a tenant has in a project and region: how every lookup asks for all three."""

from typing import TypeVar

from msgspec import Struct

from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.store.database import Tx
from pileus.store.rows import Table

R = TypeVar("R", bound=Struct)
IN_PLACE = "client_id = :client_id AND project_id = :project_id AND region_id = :region_id"


def place_params(place: Place) -> dict[str, int]:
    """The values of `HERE`."""
    return {"client_id": place.client_id, "project_id": place.project_id, "region_id": place.region_id}


async def get(tx: Tx, table: Table[R], noun: str, place: Place, identity: str | int) -> R:
    """One record of a place; raises NotFound, for another tenant's as for one that never was."""
    found = await table.find_one(tx, f"id = :id AND {IN_PLACE}", id=identity, **place_params(place))
    if found is None:
        raise not_found(noun, identity)
    return found
