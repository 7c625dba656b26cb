"""The changes of counts that a transaction has made and not written yet."""

from enum import StrEnum
from typing import NamedTuple

SHARDS = 16


class CountScope(StrEnum):
    """Whose records a count counts, in one region each; what has no region or owner counts for 0."""

    TENANT = "tenant"
    PROJECT = "project"
    SHARD = "shard"
    """All tenants with the same remainder of their id by SHARDS, so that tenants rarely write the same row.

    The sum of the shards counts the records of all tenants.
    """
    SUBNET = "subnet"
    """The subnet that names the count, whoever has its addresses."""


class CountKey(NamedTuple):
    """The key of a count; its order is the order in which transactions write counts.

    `owner_id` is the tenant, the project or the shard. `part` divides a count by the value of a field.
    """

    scope: str
    region_id: int
    owner_id: int
    name: str
    part: str


class CopiedChanges(NamedTuple):
    """Differences by key, the scopes and names of dropped counts, and the owners that are gone, at one moment."""

    by_key: dict[CountKey, int]
    dropped: frozenset[tuple[str, str]]
    former_owners: frozenset[tuple[str, int]]


class CountChanges:
    """Differences by key, added up until the transaction ends."""

    def __init__(self) -> None:
        self._by_key: dict[CountKey, int] = {}
        self._dropped: set[tuple[str, str]] = set()
        self._former_owners: set[tuple[str, int]] = set()

    def __bool__(self) -> bool:
        """Return whether any difference has been noted."""
        return bool(self._by_key or self._dropped or self._former_owners)

    def add(self, key: CountKey, difference: int) -> None:
        """Add a difference to a count."""
        self._by_key[key] = self._by_key.get(key, 0) + difference

    def drop(self, scope: CountScope, name: str) -> None:
        """Drop the counts with a name: what they counted is gone for good."""
        self._dropped.add((scope.value, name))

    def drop_zeros(self, scope: CountScope, owner_id: int) -> None:
        """Drop the counts of an owner that are 0 when the transaction ends: the owner is gone for good."""
        self._former_owners.add((scope.value, owner_id))

    @property
    def former_owners(self) -> list[tuple[str, int]]:
        """The scopes and ids of owners that are gone."""
        return sorted(self._former_owners)

    @property
    def dropped(self) -> list[tuple[str, str]]:
        """The scopes and names of dropped counts."""
        return sorted(self._dropped)

    def copy(self) -> CopiedChanges:
        """Return the differences for `restore`."""
        return CopiedChanges(dict(self._by_key), frozenset(self._dropped), frozenset(self._former_owners))

    def restore(self, copied: CopiedChanges) -> None:
        """Replace all differences by those of a copy."""
        self._by_key, self._dropped = dict(copied.by_key), set(copied.dropped)
        self._former_owners = set(copied.former_owners)

    def items(self) -> list[tuple[CountKey, int]]:
        """Return the differences, in the order of their keys."""
        return sorted(
            (key, difference)
            for key, difference in self._by_key.items()
            if difference and (key.scope, key.name) not in self._dropped
        )

    def select(
        self,
        scope: CountScope,
        *,
        region_id: int | None = None,
        owner_id: int | None = None,
        name: str | None = None,
    ) -> list[tuple[CountKey, int]]:
        """Return the differences of a scope whose keys have some values, in no order; None stands for any."""
        return [
            (key, difference)
            for key, difference in self._by_key.items()
            if key.scope == scope
            and region_id in (None, key.region_id)
            and owner_id in (None, key.owner_id)
            and name in (None, key.name)
        ]

    def clear(self) -> None:
        """Forget all differences."""
        self._by_key.clear()
        self._dropped.clear()
        self._former_owners.clear()
