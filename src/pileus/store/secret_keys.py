"""The secrets of the whole database: the check of their keys at start, and encryption by the newest key."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pileus.domain.tasks import SECRET_ARGS
from pileus.store import tasks
from pileus.store.account import subscriptions
from pileus.store.compute import instances
from pileus.store.database import Database, Row, Tx
from pileus.store.network import secrets
from pileus.store.rows import Table
from pileus.store.secrets import SecretsKeyError

FIRST_IDS: Mapping[Table[Any], str | int] = {
    subscriptions.TABLE: 0,
    instances.TABLE: "",
    tasks.TABLE: "",
    secrets.TABLE: "",
}
"""The tables with encrypted columns, each with a value that precedes all ids."""
TABLE_OF_DIGEST = "secret_keys"
PAGE = 500
"""Rows that are encrypted in one transaction."""


async def prepare_secrets(db: Database) -> None:
    """Check that the key file is that of the database; at the first start, create it and encrypt what exists.

    Raises SecretsKeyError.
    """
    state = await _read_state(db)
    if state is None:
        db.secrets.create_file()
        await db.write(partial(_add_digest, digest=db.secrets.list_digests()[0]))
        state = await _read_state(db)
    digest, is_encrypted = state or ("", 0)
    if digest not in db.secrets.list_digests():
        raise SecretsKeyError(
            f"{db.secrets.file} does not hold the key of the secrets in the database: restore the file from a backup,"
            " or name the right one with --secrets-key"
        )
    if not is_encrypted:
        await _remove_secrets_of_ended_tasks(db)
        if await _encrypt_all_secrets(db):
            await db.erase_deleted_content()
        await db.write(partial(_save_digest, digest=digest))


async def rotate_secrets(db: Database, *, add_key: bool) -> int:
    """Encrypt all secrets by the newest key, a new one with `add_key`, and return the number that were not.

    Raises SecretsKeyError, or Unavailable for a secret whose key is missing.
    """
    if add_key:
        db.secrets.add_key()
    count = await _encrypt_all_secrets(db)
    await db.write(partial(_save_digest, digest=db.secrets.list_digests()[0]))
    return count


async def find_digest(tx: Tx) -> str:
    """Return the digest of the key; an empty text before the first start."""
    row = await tx.one(f"SELECT digest FROM {TABLE_OF_DIGEST}")
    return str(row[0]) if row else ""


async def _read_state(db: Database) -> Row | None:
    """Return the digest of the key, and whether what existed before it is encrypted; None before the first start."""
    async with db.read() as tx:
        return await tx.one("SELECT digest, encrypted FROM secret_keys")


async def _add_digest(tx: Tx, digest: str) -> None:
    """Save the digest of the first key. If another server has one, that stays."""
    await tx.send(
        "INSERT INTO secret_keys (id, digest, encrypted) VALUES (1, :digest, 0) ON CONFLICT DO NOTHING", digest=digest
    )


async def _save_digest(tx: Tx, digest: str) -> None:
    await tx.send("UPDATE secret_keys SET digest = :digest, encrypted = 1", digest=digest)


async def _encrypt_all_secrets(db: Database) -> int:
    """Encrypt what is not encrypted by the newest key, page by page, and return the number of values."""
    count = 0
    for table in FIRST_IDS:
        for field in table.secrets:
            count += await _encrypt_column(db, table, field)
    return count


async def _encrypt_column(db: Database, table: Table[Any], field: str) -> int:
    page = f"SELECT id, {field} FROM {table.name} WHERE id > :last ORDER BY id LIMIT {PAGE}"
    count, last = 0, FIRST_IDS[table]
    while rows := await _read(db, page, last=last):
        count += await db.write(partial(_encrypt_rows, table, field, rows))
        last = rows[-1][0]
    return count


async def _encrypt_rows(table: Table[Any], field: str, rows: Sequence[Row], tx: Tx) -> int:
    """Encrypt the values of some rows, unless they have changed since: then they are encrypted already."""
    count = 0
    for row_id, text in rows:
        if not tx.secrets.is_encrypted_by_newest_key(text):
            new_text = table.column_value(tx, field, table.field_value(tx, field, text))
            update = f"UPDATE {table.name} SET {field} = :new_text WHERE id = :id AND {field} = :text"
            if new_text != text:
                count += await tx.run(update, new_text=new_text, id=row_id, text=text)
    return count


async def _remove_secrets_of_ended_tasks(db: Database) -> None:
    """Remove the arguments that are no longer kept when a task ends."""
    contains_secrets = " OR ".join(f"args LIKE '%\"{name}\":%'" for name in sorted(SECRET_ARGS))
    page = (
        f"SELECT id FROM tasks WHERE id > :last AND finished_at IS NOT NULL AND ({contains_secrets})"
        f" ORDER BY id LIMIT {PAGE}"
    )
    last = ""
    while rows := await _read(db, page, last=last):
        await db.write(partial(_remove_secret_args, [row[0] for row in rows]))
        last = rows[-1][0]


async def _remove_secret_args(task_ids: Sequence[str], tx: Tx) -> None:
    for task_id in task_ids:
        task = await tasks.TABLE.require_by_id(tx, task_id)
        args = tasks.TABLE.column_value(tx, "args", task.args_without_secrets)
        await tx.send("UPDATE tasks SET args = :args WHERE id = :id", id=task_id, args=args)


async def _read(db: Database, statement: str, **values: str | int) -> Sequence[Row]:
    async with db.scan() as tx:
        return await tx.all(statement, **values)
