"""Delete old rows of the tables that only grow, in batches that an index finds.

The large tables have an index by tenant and time; their batches are of one tenant. So retention costs the writers of
these tables no further index.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.retention import RetentionClass
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles

BATCH_SIZE = 100
"""Rows that one transaction looks at. Rows of the same microsecond are never separated."""
CLIENTS_PER_PAGE = 100
NO_CLIENT = 0
BEFORE = ":before"
"""The end of the retention period, in the condition of a table."""


class ExpiringTable(Struct, frozen=True, kw_only=True):
    """A table whose rows are deleted when they are older than the period of their class.

    `condition` selects the rows that may be deleted.
    """

    name: str
    time: str
    retention_class: RetentionClass
    condition: str = "1 = 1"
    by_client: bool = False

    @property
    def range(self) -> str:
        """The condition of a range of rows, as their index has it."""
        of_client = "client_id = :client_id AND " if self.by_client else ""
        return f"{of_client}{self.time} >= :start AND {self.time} < :end"


class RowBatch(Struct, frozen=True, kw_only=True):
    """The rows of a table and a tenant between two times; `before` is the end of the retention period."""

    table: ExpiringTable
    client_id: int
    start: int
    end: int
    before: int

    @property
    def range_parameters(self) -> dict[str, int]:
        """The parameters of the table's `range`."""
        of_client = {"client_id": self.client_id} if self.table.by_client else {}
        return {"start": self.start, "end": self.end, **of_client}


EXPIRING_TABLES = (
    ExpiringTable(
        name="user_actions",
        time="created_at",
        retention_class=RetentionClass.AUDIT_LOG,
        condition="NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.action_id = user_actions.id)",
        by_client=True,
    ),
    ExpiringTable(
        name="tasks",
        time="created_at",
        retention_class=RetentionClass.TASKS,
        condition=f"finished_at < {BEFORE}",
        by_client=True,
    ),
    ExpiringTable(name="usage_records", time="ended_at", retention_class=RetentionClass.USAGE, by_client=True),
    ExpiringTable(name="projects", time="deleted_at", retention_class=RetentionClass.USAGE),
    ExpiringTable(name="api_keys", time="revoked_at", retention_class=RetentionClass.AUDIT_LOG),
    ExpiringTable(name="api_keys", time="expires_at", retention_class=RetentionClass.AUDIT_LOG),
    ExpiringTable(name="blackhole_ports", time="ended_at", retention_class=RetentionClass.AUDIT_LOG),
    ExpiringTable(name="login_sessions", time="refresh_expires_at", retention_class=RetentionClass.EXPIRED),
)


async def is_due(tx: Tx, now: int) -> bool:
    """Return whether no run of retention is planned for later or under way."""
    return await tx.one("SELECT 1 FROM retention WHERE next_run_at > :now", now=now) is None


async def claim_run(tx: Tx, now: int, until: int, usage_since: int) -> bool:
    """Claim a run until a time; False if another process has. Reports then contain usage from `usage_since` only."""
    return bool(
        await tx.run(
            "INSERT INTO retention (id, next_run_at, usage_since) VALUES (1, :until, :usage_since)"
            " ON CONFLICT (id) DO UPDATE SET next_run_at = :until, usage_since ="
            " CASE WHEN retention.usage_since > :usage_since THEN retention.usage_since ELSE :usage_since END"
            " WHERE retention.next_run_at <= :now",
            now=now,
            until=until,
            usage_since=usage_since,
        )
    )


async def plan_next_run(tx: Tx, next_run_at: int) -> None:
    """Set when the next run may start: this ends the claim of the current one, or extends it."""
    await tx.run("UPDATE retention SET next_run_at = :next_run_at", next_run_at=next_run_at)


async def limit_times(tx: Tx, now: int) -> None:
    """Move the times of runs and of usage that are later than `now` to it, because the clock is set back."""
    for column in ("next_run_at", "usage_since"):
        await tx.send(f"UPDATE retention SET {column} = :now WHERE {column} > :now", now=now)


async def get_usage_start(tx: Tx) -> int:
    """Return the time since which all usage is recorded."""
    row = await tx.one("SELECT usage_since FROM retention")
    return int(row[0]) if row else 0


async def list_client_ids(tx: Tx, after: int) -> Sequence[int]:
    """Return a page of the ids of all tenants."""
    rows = await tx.all(f"SELECT id FROM clients WHERE id > :after ORDER BY id LIMIT {CLIENTS_PER_PAGE}", after=after)
    return [row[0] for row in rows]


async def find_batch(tx: Tx, table: ExpiringTable, client_id: int, start: int, before: int) -> RowBatch | None:
    """Return the next batch of rows between two times; None if there are none."""
    rest = RowBatch(table=table, client_id=client_id, start=start, end=before, before=before)
    rows = await tx.all(
        f"SELECT {table.time} FROM {table.name} WHERE {table.range} ORDER BY {table.time} LIMIT {BATCH_SIZE + 1}",
        **rest.range_parameters,
    )
    if len(rows) <= BATCH_SIZE:
        return rest if rows else None
    return replace(rest, end=max(int(rows[-1][0]), int(rows[0][0]) + 1))


async def remove_batch(tx: Tx, batch: RowBatch) -> int:
    """Delete the rows of a batch that may be deleted, and return their number."""
    table, values = batch.table, batch.range_parameters
    if BEFORE in table.condition:
        values["before"] = batch.before
    if table.name == ddos_profiles.BLACKHOLES.name:
        await ddos_profiles.bump_stamps_of_alarms(tx, table.range, **values)
    return await tx.run(f"DELETE FROM {table.name} WHERE {table.range} AND {table.condition}", **values)
