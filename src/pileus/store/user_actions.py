"""The audit log."""

from pileus.domain.user_actions import UserAction
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("user_actions", UserAction)


async def add(tx: Tx, action: UserAction) -> None:
    """Write a line, in the transaction of the change it tells of."""
    await TABLE.add(tx, action)
