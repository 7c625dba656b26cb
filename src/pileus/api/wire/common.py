"""Make views of records, with the fields that all records with a project and a region have."""

from typing import Any, Protocol, TypeVar

from msgspec import Struct

from pileus.api.wire.times import format_with_offset

V = TypeVar("V", bound=Struct)


class ScopedRecord(Protocol):
    """A record in a region that tasks create and lock. It belongs to a project or to nobody."""

    @property
    def project_id(self) -> int | None:
        """The project, or None if the record belongs to nobody."""

    @property
    def region_id(self) -> int:
        """The region."""

    @property
    def task_id(self) -> str | None:
        """The task that has locked the record, or None."""

    @property
    def creator_task_id(self) -> str | None:
        """The task that created the record, or None."""

    @property
    def created_at(self) -> int:
        """Microseconds since 1970."""

    @property
    def updated_at(self) -> int:
        """Microseconds since 1970."""


def common_view_fields(record: ScopedRecord, region_name: str, default_project_id: int | None = None) -> dict[str, Any]:
    """Make the common fields. `default_project_id` is returned for a record that belongs to nobody."""
    return {
        "project_id": record.project_id or default_project_id,
        "region": region_name,
        "region_id": record.region_id,
        "task_id": record.task_id,
        "creator_task_id": record.creator_task_id,
        "created_at": format_with_offset(record.created_at),
        "updated_at": format_with_offset(record.updated_at),
    }


def make_view(view_type: type[V], record: object, **fields: Any) -> V:
    """Make a view of a record: `fields`, and the record's attributes with the names of the other fields."""
    attributes = {name: getattr(record, name) for name in view_type.__struct_fields__ if name not in fields}
    return view_type(**attributes, **fields)
