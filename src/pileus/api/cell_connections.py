"""What a server of a cloud with several cells needs of the others: their addresses, and copies of the tenants."""

from dataclasses import dataclass, field
from typing import Any

from pileus.api.cell_marks import CellMarks
from pileus.domain.cells import Cells
from pileus.store.account import account_copies, account_revisions
from pileus.store.database import Database, Tx

MAX_KNOWN = 4096


class AccountCopies:
    """Keeps the copies of tenants in the database of this cell equal to the rows in that of cell 0.

    A tenant is compared when one of its callers is read, at most once a second for each caller, when an operator acts
    for it, and before events are delivered to it. Whoever changes a tenant in cell 0 gets the answer after that second.
    """

    def __init__(self, tenants_db: Database, db: Database) -> None:
        self._tenants_db = tenants_db
        self._db = db
        self._known: dict[int, int] = {}

    async def ensure_current(self, client_id: int) -> None:
        """Copy a tenant, if the copy is older than its rows."""
        async with self._tenants_db.read() as tx:
            revision = await account_revisions.find(tx, client_id)
        if self._known.get(client_id) == revision:
            return
        copied = await self._db.write(lambda tx: self._copy(tx, client_id))
        if copied is None:
            return
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[client_id] = copied

    async def _copy(self, tx: Tx, client_id: int) -> int | None:
        """Make the copy equal, and return its number of changes; None for a tenant that does not exist.

        The rows are read while the copy is locked. So an older state never replaces a newer one, and that of a database
        that has been restored does.
        """
        existing = await account_copies.lock(tx, client_id)
        async with self._tenants_db.scan() as tenants_tx:
            account = await account_copies.load(tenants_tx, client_id)
        if account is None:
            return None
        if existing != account.revision:
            await account_copies.save(tx, account)
        return account.revision


@dataclass(slots=True)
class CellConnections:
    """The cells of the cloud, and the database of cell 0.

    `copies` is None in a server of cell 0. `clients` are HTTP clients by cell, each from the first request to it on: a
    cell that hangs takes no connection from the others.
    """

    cells: Cells
    marks: CellMarks
    tenants_db: Database
    copies: AccountCopies | None
    clients: dict[int, Any] = field(default_factory=dict)

    async def close(self) -> None:
        """Close the connections to other cells."""
        for client in self.clients.values():
            await client.aclose()
