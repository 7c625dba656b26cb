"""Numbers that each change of what other cells copy of a tenant increases, in the database of cell 0.

The steps are random: if the database is restored to an older state, the changes after that do not lead to the numbers
that other cells have copied already.
"""

import secrets

from pileus.store.database import Tx

LARGEST_STEP = 2**32
"""Leaves room for two billion changes of a tenant."""


async def bump(tx: Tx, client_id: int) -> None:
    """Increase the number by a random step, in the transaction of the change."""
    step = 1 + secrets.randbelow(LARGEST_STEP)
    await tx.send(
        "INSERT INTO account_revisions (client_id, revision) VALUES (:client_id, :step)"
        " ON CONFLICT (client_id) DO UPDATE SET revision = account_revisions.revision + :step",
        client_id=client_id,
        step=step,
    )


async def find(tx: Tx, client_id: int) -> int:
    """Return the number; 0 for a tenant that nobody has changed."""
    row = await tx.one("SELECT revision FROM account_revisions WHERE client_id = :client_id", client_id=client_id)
    return int(row[0]) if row else 0
