"""What the catalogue offers and tenants refer to: brought up to date at each start, and never deleted."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.images import Image
from pileus.domain.network.networks import Network, Subnet
from pileus.store.database import Tx
from pileus.store.network import subnets
from pileus.store.rows import Table, in_list

R = TypeVar("R", Image, Network, Subnet)
FLAVOR = msgspec.json.Decoder(Flavor)
OFFERED = "client_id IS NULL AND region_id = :region_id"
OCCUPIED = "id IN (SELECT subnet_id FROM addresses)"


async def sync(tx: Tx, table: Table[R], region_id: int, records: Sequence[R]) -> None:
    """Let the records be all that is offered in a region; what else there was is hidden."""
    for record in records:
        await _upsert(tx, table, record)
    marks, values = in_list("kept", [record.id for record in records])
    await tx.run(
        f"UPDATE {table.name} SET retired = 1, revision = revision + 1"  # names of our own
        f" WHERE {OFFERED} AND retired = 0 AND id NOT IN ({marks})",
        region_id=region_id,
        **values,
    )


async def _upsert(tx: Tx, table: Table[R], record: R) -> None:
    found = await table.find_one(tx, "id = :id", id=record.id)
    if found is None:
        await table.add(tx, record)
        return
    same = replace(record, created_at=found.created_at, updated_at=found.updated_at, revision=found.revision)
    if same != found:
        await table.save(tx, found, replace(same, updated_at=record.updated_at))


async def list_subnets_in_use(tx: Tx, region_id: int) -> list[Subnet]:
    """The public subnets of a region, offered still or not, of which addresses are in use."""
    return await subnets.TABLE.find(tx, f"{OFFERED} AND {OCCUPIED} ORDER BY id", region_id=region_id)


async def list_addresses_in_use(tx: Tx, subnet_id: str) -> list[str]:
    """The addresses of a subnet that are in use."""
    rows = await tx.all("SELECT ip FROM addresses WHERE subnet_id = :id ORDER BY ip", id=subnet_id)
    return [row[0] for row in rows]


async def save_flavors(tx: Tx, flavors: Sequence[Flavor]) -> None:
    """Keep what the flavors are, for the time when the catalogue has them no more."""
    for flavor in flavors:
        await tx.run(
            "INSERT INTO flavors (id, flavor) VALUES (:id, :flavor)"
            " ON CONFLICT (id) DO UPDATE SET flavor = excluded.flavor WHERE flavors.flavor <> excluded.flavor",
            id=flavor.id,
            flavor=msgspec.json.encode(flavor).decode(),
        )


async def list_flavors(tx: Tx) -> list[Flavor]:
    """Every flavor that there has ever been."""
    return [FLAVOR.decode(row[0]) for row in await tx.all("SELECT flavor FROM flavors ORDER BY id")]
