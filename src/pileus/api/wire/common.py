"""What every view tells alike of a record that a project has in a region."""

from typing import Any, Protocol

from pileus.api.wire.times import offset


class ScopedRecord(Protocol):
    """A record of a project in a region, or of nobody, that tasks make and hold."""

    @property
    def project_id(self) -> int | None:
        """Its project, or None."""

    @property
    def region_id(self) -> int:
        """Its region."""

    @property
    def task_id(self) -> str | None:
        """The task that holds it now."""

    @property
    def creator_task_id(self) -> str | None:
        """The task that made it."""

    @property
    def created_at(self) -> int:
        """Microseconds since 1970."""

    @property
    def updated_at(self) -> int:
        """Microseconds since 1970."""


def common_fields(record: ScopedRecord, region_name: str, project_id: int | None = None) -> dict[str, Any]:
    """Where it is, which tasks made and hold it, and when that was; what is nobody's appears in the project named."""
    return {
        "project_id": record.project_id or project_id,
        "region": region_name,
        "region_id": record.region_id,
        "task_id": record.task_id,
        "creator_task_id": record.creator_task_id,
        "created_at": offset(record.created_at),
        "updated_at": offset(record.updated_at),
    }
