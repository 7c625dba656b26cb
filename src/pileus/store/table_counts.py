"""Counts of records: kept by each change of a record, so that no request has to count a table.

`COUNTS` declares what is counted. `Table` notes the differences when it writes records, and the database writes them
at the end of the transaction: in one statement, in the order of their keys. So transactions lock the counts only for
their commit and never wait for each other in a circle. A count that is missing is 0.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from msgspec import Struct

from pileus.store.count_changes import SHARDS, CountKey, CountScope
from pileus.store.database import Tx

ROWS_PER_STATEMENT = 50
OWNERS = {CountScope.TENANT: "client_id", CountScope.PROJECT: "project_id", CountScope.SHARD: "client_id"}
"""The fields of a record that name the owner of a count."""
NAMED_BY_RECORD = {"subnets": CountScope.SUBNET}
"""The tables whose ids name counts of a scope; when a record goes, its counts go too."""


Difference = Callable[[Any], tuple[CountKey, int] | None]
"""Returns what a record, or a row with its fields, adds to a count, or None."""


class Count(Struct, frozen=True):
    """A count of the records of a table, or the sum of their field `amount`.

    `part` is the field that divides it, by its value or by the last character: a record without a value does not count.
    `name` is the name, or for subnets the field that holds it.
    With `condition` or `without`, only the records count that have or do not have a value in this field. `region` is
    the field of the region, or `0`.
    """

    scope: CountScope
    name: str
    amount: str = ""
    part: str = ""
    is_part_last_character: bool = False
    condition: str = ""
    without: str = ""
    region: str = "region_id"

    @property
    def owner(self) -> str:
        """The field of the owner, or `0`."""
        return OWNERS.get(self.scope, "0")

    @property
    def is_named_by_field(self) -> bool:
        """Whether `name` is a field."""
        return self.scope == CountScope.SUBNET

    @property
    def fields(self) -> set[str]:
        """The fields of a record that the count depends on."""
        name = self.name if self.is_named_by_field else ""
        return {name, self.owner, self.region, self.amount, self.part, self.condition, self.without} - {"", "0"}

    def make_difference(self) -> Difference:
        """Return what computes the difference: all that is the same for all records is looked up once."""
        scope, is_shard = self.scope.value, self.scope == CountScope.SHARD
        owner_field, region_field = (None if field == "0" else field for field in (self.owner, self.region))
        name, name_field = self.name, self.name if self.is_named_by_field else None
        amount_field, part_field, is_part_last = self.amount, self.part, self.is_part_last_character
        condition, without = self.condition, self.without

        def difference_of(record: Any) -> tuple[CountKey, int] | None:
            owner = getattr(record, owner_field) if owner_field else 0
            part = getattr(record, part_field) if part_field else ""
            if owner is None or part is None or (condition and not getattr(record, condition)):
                return None
            if without and getattr(record, without):
                return None
            key = CountKey(
                scope,
                getattr(record, region_field) if region_field else 0,
                owner % SHARDS if is_shard else owner,
                getattr(record, name_field) if name_field else name,
                part[-1:] if is_part_last else part,
            )
            return key, (getattr(record, amount_field) or 0) if amount_field else 1

        return difference_of


TENANT, PROJECT, SHARD, SUBNET = CountScope.TENANT, CountScope.PROJECT, CountScope.SHARD, CountScope.SUBNET
SERVERS, HOST_LOAD, UNFINISHED_TASKS = "servers", "host_load", "unfinished_tasks"
INSTANCE_STATUSES = "instance_statuses"
COUNTS: Mapping[str, tuple[Count, ...]] = {
    "instances": (
        Count(TENANT, SERVERS, part="flavor_id"),
        Count(PROJECT, "instances", part="kind"),
        Count(SHARD, SERVERS, part="flavor_id"),
        Count(SHARD, HOST_LOAD, part="host"),
        Count(SHARD, INSTANCE_STATUSES, part="status"),
    ),
    "volumes": (
        Count(TENANT, "volume_count"),
        Count(TENANT, "volume_size", amount="size"),
        Count(PROJECT, "volumes"),
    ),
    "snapshots": (
        Count(TENANT, "volume_snapshots_count"),
        Count(TENANT, "volume_snapshots_size", amount="size"),
        Count(PROJECT, "snapshots"),
    ),
    "images": (Count(TENANT, "image_count"), Count(TENANT, "image_size", amount="size")),
    "floating_ips": (Count(TENANT, "floating_count"), Count(PROJECT, "floating_ips")),
    "addresses": (Count(SUBNET, "subnet_id", part="ip", is_part_last_character=True, region="0"),),
    "ports": (Count(TENANT, "external_ip_count", condition="external"),),
    "placement_groups": (Count(TENANT, "servergroup_count"), Count(PROJECT, "placement_groups")),
    "security_groups": (Count(TENANT, "firewall_count"), Count(PROJECT, "security_groups")),
    "file_shares": (
        Count(TENANT, "sfs_count"),
        Count(TENANT, "sfs_size", amount="size"),
        Count(PROJECT, "file_shares"),
    ),
    "secrets": (Count(TENANT, "secret_count"), Count(PROJECT, "secrets")),
    "networks": (Count(TENANT, "network_count"), Count(PROJECT, "networks")),
    "subnets": (Count(TENANT, "subnet_count"),),
    "routers": (Count(TENANT, "router_count"), Count(PROJECT, "routers")),
    "load_balancers": (Count(TENANT, "loadbalancer_count"), Count(PROJECT, "load_balancers")),
    "listeners": (Count(PROJECT, "listeners"),),
    "pools": (Count(PROJECT, "pools"),),
    "l7_policies": (Count(PROJECT, "l7_policies"),),
    "schedules": (Count(TENANT, "snapshot_schedule_count"),),
    "ssh_keys": (Count(TENANT, "keypair_count", region="0"),),
    "tasks": (
        Count(TENANT, UNFINISHED_TASKS, part="id", is_part_last_character=True, without="finished_at", region="0"),
    ),
}
"""What is counted of each table. Names of tenants' counts are those of quotas; SERVERS counts by flavor."""


def is_counted_by_project(table: str) -> bool:
    """Return whether the records of a project in a table are counted, by the name of the table."""
    return any(count.scope == PROJECT and not count.part for count in COUNTS.get(table, ()))


class TableCounts:
    """Notes how changes of a table change its counts. `fields` are those that the counts depend on."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._differences = [(frozenset(count.fields), count.make_difference()) for count in COUNTS.get(table, ())]
        self.fields = frozenset[str]().union(*(fields for fields, _ in self._differences))
        self._named_scope = NAMED_BY_RECORD.get(table)

    def note_added(self, tx: Tx, record: Struct) -> None:
        """Note that a record is added."""
        self._note(tx, record, 1)

    def note_changed(self, tx: Tx, before: Struct, after: Struct, changed: Sequence[str]) -> None:
        """Note that some fields of a record change."""
        for fields, difference_of in self._differences:
            if not fields.isdisjoint(changed):
                _add(tx, difference_of(before), -1)
                _add(tx, difference_of(after), 1)

    async def delete(self, tx: Tx, where: str, **values: Any) -> None:
        """Delete the rows of the table for which a condition holds."""
        statement = f"DELETE FROM {self._table} WHERE {where}"
        if not self.fields:
            await tx.send(statement, **values)
            return
        names = sorted(self.fields | ({"id"} if self._named_scope else set()))
        for row in await tx.all(f"{statement} RETURNING {', '.join(names)}", **values):
            deleted = SimpleNamespace(**dict(zip(names, row, strict=True)))
            self._note(tx, deleted, -1)
            if self._named_scope:
                tx.count_changes.drop(self._named_scope, deleted.id)

    def _note(self, tx: Tx, record: object, sign: int) -> None:
        for _, difference_of in self._differences:
            _add(tx, difference_of(record), sign)


def _add(tx: Tx, difference: tuple[CountKey, int] | None, sign: int) -> None:
    if difference is not None:
        key, amount = difference
        tx.count_changes.add(key, sign * amount)


DROP = "DELETE FROM resource_counts WHERE scope = :scope AND region_id = 0 AND owner_id = 0 AND name = :name"

DROP_ZEROS = """
DELETE FROM resource_counts WHERE scope = :scope AND owner_id = :owner_id AND value = 0
    AND region_id IN (SELECT 0 UNION ALL SELECT region_id FROM region_drivers)
"""
"""The regions, each of which has a driver, because the key of the table begins with them."""


async def write_count_changes(tx: Tx) -> None:
    """Write the differences that a transaction has noted; the last statement of each transaction."""
    if not tx.count_changes:
        return
    changes = tx.count_changes.items()
    for start in range(0, len(changes), ROWS_PER_STATEMENT):
        rows = changes[start : start + ROWS_PER_STATEMENT]
        statement, names = _upsert(len(rows))
        values = [value for key, difference in rows for value in (*key, difference)]
        await tx.send(statement, **dict(zip(names, values, strict=True)))
    for scope, name in tx.count_changes.dropped:
        await tx.send(DROP, scope=scope, name=name)
    for scope, owner_id in tx.count_changes.former_owners:
        await tx.send(DROP_ZEROS, scope=scope, owner_id=owner_id)
    tx.count_changes.clear()


@lru_cache
def _upsert(rows: int) -> tuple[str, list[str]]:
    """Return the statement that adds differences to so many counts, and the names of its parameters."""
    columns = (*CountKey._fields, "value")
    names = [[f"{column}_{number}" for column in columns] for number in range(rows)]
    marks = ", ".join(f"({', '.join(f':{name}' for name in row)})" for row in names)
    statement = (
        f"INSERT INTO resource_counts ({', '.join(columns)}) VALUES {marks}"
        f" ON CONFLICT ({', '.join(CountKey._fields)})"
        " DO UPDATE SET value = resource_counts.value + excluded.value"
    )
    return statement, [name for row in names for name in row]
