"""Records that a driver keeps in the server's database.

All processes of all servers of the database share them, and a backup of the database contains them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar, runtime_checkable

from msgspec import Struct

from pileus.drivers.protocols.abilities import AbilityMeta

R = TypeVar("R", bound=Struct)
T = TypeVar("T")


class Records(Protocol):
    """The records in one transaction. Conditions name fields and the values that they equal."""

    async def find(self, record_type: type[R], **where: str | int) -> R | None:
        """Return a record; in a write, nobody else changes it until the transaction ends."""

    async def find_all(self, record_type: type[R], **where: str | int | Sequence[str]) -> list[R]:
        """Return all records; a field may also equal one of several values."""

    async def list_page(self, record_type: type[R], field: str, after: str | int, limit: int) -> list[R]:
        """Return the records whose `field` is greater than `after`, in its order."""

    async def save(self, record: Struct, *, replaces: bool = True) -> bool:
        """Insert a record, or replace the one with its key; return whether it was saved.

        Without `replaces` an existing record stays as it is.
        """

    async def add_all(self, records: Sequence[Struct]) -> None:
        """Insert records of one type."""

    async def update(self, record_type: type[Struct], changes: Mapping[str, Any], **where: str | int) -> int:
        """Change fields of records, and return the number of records."""

    async def remove(self, record_type: type[Struct], **where: str | int) -> None:
        """Delete records."""

    async def increment(self, counter: str) -> int:
        """Increment a counter and return its new value: numbers are in the order of the commits."""


class RecordStore(Protocol):
    """Transactions on the records. Each read or write is one transaction."""

    def read(self) -> AbstractAsyncContextManager[Records]:
        """Look up single records."""

    def scan(self) -> AbstractAsyncContextManager[Records]:
        """Read many records without blocking other work."""

    async def write(self, work: Callable[[Records], Awaitable[T]]) -> T:
        """Run `work`, again after a conflict, and return after its commit is durable."""


@runtime_checkable
class SupportsFirstRecords(Protocol, metaclass=AbilityMeta):
    """Keeps all that it simulates in the records, so that a reset can delete it."""

    async def write_first_records(self, records: Records) -> None:
        """Write the records that follow from the settings, before any task has run."""
