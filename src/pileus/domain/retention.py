"""How long records that only accumulate are kept."""

from enum import StrEnum

from msgspec import Struct

DAY = 86_400_000_000
"""Microseconds."""
MIN_USAGE_DAYS = 62
"""Reports of the current and of the previous month are always complete."""


class RetentionClass(StrEnum):
    """What has a retention period of its own."""

    AUDIT_LOG = "audit_log"
    TASKS = "tasks"
    USAGE = "usage"
    EXPIRED = "expired"


class RetentionPeriods(Struct, frozen=True, kw_only=True):
    """The days for which records are kept; 0 keeps them forever."""

    audit_log_days: int
    task_days: int
    usage_days: int

    def cutoff(self, retention_class: RetentionClass, now: int) -> int | None:
        """Return the time before which records are deleted, or None if they are kept forever."""
        match retention_class:
            case RetentionClass.AUDIT_LOG:
                days = self.audit_log_days
            case RetentionClass.TASKS:
                days = self.task_days
            case RetentionClass.USAGE:
                days = max(self.usage_days, MIN_USAGE_DAYS) if self.usage_days else 0
            case RetentionClass.EXPIRED:
                return now
        return now - days * DAY if days else None
