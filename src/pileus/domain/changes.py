"""Changes of a tenant's resources and tasks, as streams send them: what to read again, not what it has become."""

from collections.abc import Sequence

from msgspec import Struct

OVERLAP = 3_000_000
"""Microseconds before the latest known change that are read again: transactions do not end in the order of their times.
"""
MAX_REPLAYED_AGE = 600_000_000
"""Microseconds after which a stream cannot be continued: its reader reads everything again."""


class ActionChange(Struct, frozen=True, kw_only=True):
    """An entry of the audit log, with the ids of its resources."""

    id: str
    created_at: int
    project_id: int | None
    region_id: int | None
    action: str
    group: str
    resource_ids: Sequence[str]
    task_id: str | None


class TaskChange(Struct, frozen=True, kw_only=True):
    """Where a task stands."""

    id: str
    task_type: str
    state: str
    step: int
    undoing: bool
    held_by: str | None
    project_id: int | None
    region_id: int | None
