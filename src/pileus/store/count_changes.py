"""The changes of counts that a transaction has made and not written yet."""

from enum import StrEnum
from typing import NamedTuple

SHARDS = 16


class CountScope(StrEnum):
    """Whose records a count counts, in one region each; what has no region counts in region 0."""

    TENANT = "tenant"
    PROJECT = "project"
    SHARD = "shard"
    """All tenants with the same remainder of their id by SHARDS, so that tenants rarely write the same row.

    The sum of the shards counts the records of all tenants.
    """


class CountKey(NamedTuple):
    """The key of a count; its order is the order in which transactions write counts.

    `owner_id` is the tenant, the project or the shard. `part` divides a count by the value of a field.
    """

    scope: str
    region_id: int
    owner_id: int
    name: str
    part: str


class CountChanges:
    """Differences by key, added up until the transaction ends."""

    def __init__(self) -> None:
        self._by_key: dict[CountKey, int] = {}

    def add(self, key: CountKey, difference: int) -> None:
        """Add a difference to a count."""
        self._by_key[key] = self._by_key.get(key, 0) + difference

    def items(self) -> list[tuple[CountKey, int]]:
        """Return the differences, in the order of their keys."""
        return sorted(item for item in self._by_key.items() if item[1])

    def clear(self) -> None:
        """Forget all differences."""
        self._by_key.clear()
