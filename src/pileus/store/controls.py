"""Controls: settings that operators change while servers run. Each process keeps them in memory.

A transaction that changes a control, in this table or in another one, also calls `renew_stamp`: the processes poll the
stamp and read all controls again when it has changed.
"""

from typing import TypeVar

import msgspec

from pileus.store.database import Tx

C = TypeVar("C")
STAMP = "stamp"


async def find(tx: Tx, name: str, type_: type[C]) -> C | None:
    """Return the value of a control, or None if it is not set."""
    row = await tx.one("SELECT value FROM controls WHERE name = :name", name=name)
    return None if row is None else msgspec.json.decode(row[0], type=type_)


async def save(tx: Tx, name: str, value: object) -> None:
    """Set a control."""
    await tx.send(
        "INSERT INTO controls (name, value) VALUES (:name, :value)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name=name,
        value=msgspec.json.encode(value).decode(),
    )


async def remove(tx: Tx, name: str) -> None:
    """Unset a control; does nothing if it is not set."""
    await tx.send("DELETE FROM controls WHERE name = :name", name=name)


async def renew_stamp(tx: Tx) -> None:
    """Note that the transaction changes controls. A stamp is random: it does not come twice in a restored database."""
    await save(tx, STAMP, tx.stamp)


async def get_stamp(tx: Tx) -> int:
    """Return the stamp of the last change; 0 if there was none."""
    return await find(tx, STAMP, int) or 0
