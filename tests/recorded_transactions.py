"""A transaction that records its statements and their parameters."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pileus.domain.compute.instances import Instance
from pileus.store.count_changes import CountChanges
from pileus.store.database import Row, Tx
from pileus.store.secrets import SecretBox


@dataclass(slots=True)
class RecordedTx:
    """Executes statements in another transaction and records them."""

    tx: Tx
    statements: list[str] = field(default_factory=list)
    parameters: list[dict[str, Any]] = field(default_factory=list)

    @property
    def secrets(self) -> SecretBox:
        """Return what encrypts and decrypts columns."""
        return self.tx.secrets

    @property
    def count_changes(self) -> CountChanges:
        """Return the counts that the transaction changes."""
        return self.tx.count_changes

    @property
    def stamp(self) -> int:
        """Return the stamp of the transaction."""
        return self.tx.stamp

    @property
    def stamped(self) -> set[tuple[str, ...]]:
        """Return what has got the stamp."""
        return self.tx.stamped

    @property
    def saved_instances(self) -> dict[str, Instance]:
        """The instances that the transaction has saved."""
        return self.tx.saved_instances

    async def run(self, sql: str, **values: Any) -> int:
        """Record and execute a statement."""
        self._record(sql, values)
        return await self.tx.run(sql, **values)

    async def send(self, sql: str, **values: Any) -> None:
        """Record and execute a statement."""
        self._record(sql, values)
        await self.tx.send(sql, **values)

    async def lock(self, sql: str, **values: Any) -> None:
        """Record and execute a lock."""
        self._record(sql, values)
        await self.tx.lock(sql, **values)

    async def one(self, sql: str, **values: Any) -> Row | None:
        """Record and execute a query."""
        self._record(sql, values)
        return await self.tx.one(sql, **values)

    async def all(self, sql: str, **values: Any) -> Sequence[Row]:
        """Record and execute a query."""
        self._record(sql, values)
        return await self.tx.all(sql, **values)

    def _record(self, sql: str, values: dict[str, Any]) -> None:
        self.statements.append(sql)
        self.parameters.append(values)
