"""The migration of the catalogue's ids from version 5 to version 4, with all references.

It runs on the schema of version 10, so it names tables and columns as they were then.
"""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from pileus.domain.ids import UUID_TEXT, canonical_id
from pileus.store.database import Row, Tx

VERSION_5 = "______________5%"
CONTAINS_VERSION_5 = "%-____-5___-____-%"
RECORD_COLUMNS = (
    "client_id, project_id, region_id, name, task_id, creator_task_id, created_at, updated_at, revision, retired"
)
NETWORK_COLUMNS = f"{RECORD_COLUMNS}, type, mtu, segmentation_id, external, shared, is_default, port_security_enabled"
SUBNET_COLUMNS = f"{RECORD_COLUMNS}, cidr, ip_version, gateway_ip, enable_dhcp, dns_nameservers, host_routes"
REFERENCES = {
    "images": ("volumes.image_id",),
    "networks": ("ports.network_id", "router_ports.network_id", "routers.network_id", "routers.external_network_id"),
    "subnets": ("addresses.subnet_id",),
}
JSON_COLUMNS = (
    "tasks.args",
    "tasks.data",
    "tasks.created_resources",
    "user_actions.action_data",
    "user_actions.resources",
    "usage_records.facts",
    "usage_records.tags",
)
KEYS: Mapping[str, Mapping[str, str | int]] = {
    "tasks": {"id": ""},
    "user_actions": {"id": ""},
    "usage_records": {"resource_id": "", "started_at": 0},
}
"""The primary keys of the tables with JSON columns, and values that precede all others."""
PAGE, BATCH = 10_000, 100
"""Rows that are read together, and written together."""
UUID_STRING = re.compile(f'"({UUID_TEXT.pattern})"')


async def replace_catalogue_ids(tx: Tx) -> None:
    """Give the public images, external networks and their subnets new ids, and replace the old ones everywhere."""
    former_ids = {
        str(row[0]) for table in REFERENCES for row in await tx.all(f"SELECT id FROM {table} WHERE {_former()}")
    }
    await _copy_networks(tx)
    for table, references in REFERENCES.items():
        for reference in references:
            await _replace_in_column(tx, table, *reference.split("."))
    await _replace_in_column(tx, "images", "tags", "value", "key = 'image_id' AND read_only = 1 AND")
    for column in JSON_COLUMNS:
        await _replace_in_json(tx, former_ids, *column.split("."))
    await tx.run(f"UPDATE images SET id = {_present('id')} WHERE {_former()}")
    for table in ("subnets", "networks"):
        await tx.run(f"DELETE FROM {table} WHERE {_former()}")


async def _copy_networks(tx: Tx) -> None:
    """Insert networks and subnets under their new ids, because foreign keys refer to the old ones."""
    await tx.run(
        f"INSERT INTO networks (id, {NETWORK_COLUMNS})"
        f" SELECT {_present('id')}, {NETWORK_COLUMNS} FROM networks WHERE {_former()}"
    )
    await tx.run(
        f"INSERT INTO subnets (id, network_id, {SUBNET_COLUMNS})"
        f" SELECT {_present('id')}, {_present('network_id')}, {SUBNET_COLUMNS} FROM subnets WHERE {_former()}"
    )


async def _replace_in_column(tx: Tx, source: str, table: str, column: str, condition: str = "") -> None:
    """Replace the ids in a column that refers to the table `source`."""
    await tx.run(
        f"UPDATE {table} SET {column} = {_present(column)}"
        f" WHERE {condition} {column} IN (SELECT id FROM {source} WHERE {_former()})"
    )


async def _replace_in_json(tx: Tx, former_ids: AbstractSet[str], table: str, column: str) -> None:
    """Replace the strings of a JSON column that are former ids, page by page."""
    last = KEYS[table]
    while rows := await _read_page(tx, table, column, last):
        for start in range(0, len(rows), BATCH):
            batch = [(*key, _replace_strings(text, former_ids)) for *key, text in rows[start : start + BATCH]]
            await _write_batch(tx, table, column, batch)
        last = dict(zip(last, rows[-1], strict=False))


async def _read_page(tx: Tx, table: str, column: str, last: Mapping[str, str | int]) -> Sequence[Row]:
    """Return the keys and texts of the next rows that contain a UUID of version 5."""
    keys, marks = ", ".join(last), ", ".join(f":{key}" for key in last)
    return await tx.all(
        f"SELECT {keys}, {column} FROM {table} WHERE {column} LIKE '{CONTAINS_VERSION_5}' AND ({keys}) > ({marks})"
        f" ORDER BY {keys} LIMIT {PAGE}",
        **last,
    )


async def _write_batch(tx: Tx, table: str, column: str, rows: Sequence[Row]) -> None:
    """Write the texts of rows, which consist of the key and the text.

    The list of first keys makes both databases use the index of the primary key.
    """
    keys, numbers = (*KEYS[table],), range(len(rows))
    names = (*keys, "new_text")
    values = {f"{name}_{number}": row[index] for number, row in enumerate(rows) for index, name in enumerate(names)}
    marks = ", ".join(f"({', '.join(f':{name}_{number}' for name in names)})" for number in numbers)
    same_key = " AND ".join(f"new_rows.{key} = {table}.{key}" for key in keys)
    first_keys = ", ".join(f":{keys[0]}_{number}" for number in numbers)
    await tx.run(
        f"WITH new_rows ({', '.join(names)}) AS (VALUES {marks}) UPDATE {table}"
        f" SET {column} = coalesce((SELECT new_text FROM new_rows WHERE {same_key}), {column})"
        f" WHERE {keys[0]} IN ({first_keys})",
        **values,
    )


def _replace_strings(text: str, former_ids: AbstractSet[str]) -> str:
    return UUID_STRING.sub(lambda match: f'"{canonical_id(match[1])}"' if match[1] in former_ids else match[0], text)


def _former() -> str:
    """Return the condition for a record of the catalogue that has its former id."""
    return f"client_id IS NULL AND id LIKE '{VERSION_5}'"


def _present(column: str) -> str:
    """Return the expression for what `canonical_id` makes of a former id."""
    return f"substr({column}, 1, 14) || '4' || substr({column}, 16, 9) || '0000' || substr({column}, 29)"
