"""Records of the catalogue that tenants refer to: updated at each start, never deleted."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.images import Image
from pileus.domain.network.networks import Network, Subnet
from pileus.store.database import Tx
from pileus.store.network import subnets
from pileus.store.rows import Table, in_list_placeholders

R = TypeVar("R", Image, Network, Subnet)
FLAVOR_DECODER = msgspec.json.Decoder(Flavor)
OFFERED = "client_id IS NULL AND region_id = :region_id"
HAS_ADDRESSES = "id IN (SELECT subnet_id FROM addresses)"


async def upsert_and_retire_others(
    tx: Tx, table: Table[R], save: Callable[[Tx, R, R], Awaitable[R]], region_id: int, records: Sequence[R]
) -> None:
    """Make the records all that a region offers: insert them, update them by `save`, and retire the others."""
    for record in records:
        await _upsert(tx, table, save, record)
    marks, values = in_list_placeholders("kept", [record.id for record in records])
    await tx.send(
        f"UPDATE {table.name} SET retired = 1, revision = revision + 1"
        f" WHERE {OFFERED} AND retired = 0 AND id NOT IN ({marks})",
        region_id=region_id,
        **values,
    )


async def _upsert(tx: Tx, table: Table[R], save: Callable[[Tx, R, R], Awaitable[R]], record: R) -> None:
    existing = await table.find_by_id(tx, record.id)
    if existing is None:
        await table.add(tx, record)
        return
    current = {"created_at": existing.created_at, "updated_at": existing.updated_at, "revision": existing.revision}
    updated = replace(record, **current)
    if updated != existing:
        await save(tx, existing, replace(updated, updated_at=record.updated_at))


async def list_public_subnets_in_use(tx: Tx, region_id: int) -> list[Subnet]:
    """Return the public subnets of a region with addresses in use, retired ones included."""
    return await subnets.TABLE.find(tx, f"{OFFERED} AND {HAS_ADDRESSES} ORDER BY id", region_id=region_id)


async def list_addresses_in_use(tx: Tx, subnet_id: str) -> list[str]:
    """Return the addresses of a subnet that are in use."""
    rows = await tx.all("SELECT ip FROM addresses WHERE subnet_id = :id ORDER BY ip", id=subnet_id)
    return [row[0] for row in rows]


async def save_flavors(tx: Tx, flavors: Sequence[Flavor]) -> None:
    """Save the flavors, so that they are known after the catalogue drops them."""
    for flavor in flavors:
        await tx.send(
            "INSERT INTO flavors (id, flavor) VALUES (:id, :flavor)"
            " ON CONFLICT (id) DO UPDATE SET flavor = excluded.flavor WHERE flavors.flavor <> excluded.flavor",
            id=flavor.id,
            flavor=msgspec.json.encode(flavor).decode(),
        )


async def list_known_flavors(tx: Tx) -> list[Flavor]:
    """Return every flavor that the catalogue has ever had."""
    return [FLAVOR_DECODER.decode(row[0]) for row in await tx.all("SELECT flavor FROM flavors ORDER BY id")]
