"""Values as texts of table cells."""

from collections.abc import Mapping
from typing import Any

NAME_FIELDS = (
    "name", "addr", "ip_address", "volume_name", "instance_name", "resource_id", "server_id", "flavor_id", "cidr", "id",
)  # fmt: skip
"""Fields that identify an object in a table, in order of preference."""
EMPTY = "-"


def field_at(row: Mapping[str, Any], path: str) -> Any:
    """Return a field of a row, or a field of an object at a path with dots. What does not exist is None."""
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def cell_text(value: Any) -> str:
    """Format a value for people: objects by their names, nothing as a dash."""
    return plain_text(value) or EMPTY


def plain_text(value: Any) -> str:
    """Format a value for programs: objects by their names, nothing as an empty text."""
    if isinstance(value, list):
        # System tags are hidden.
        visible = [item for item in value if not (isinstance(item, dict) and item.get("read_only"))]
        return ", ".join(map(plain_text, visible))
    if isinstance(value, dict):
        return _object_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _object_text(value: Mapping[str, Any]) -> str:
    """Format an object: a tag as `key=value`, else its name, else all its fields."""
    if value.keys() >= {"key", "value"}:
        return f"{value['key']}={value['value']}"
    for name in NAME_FIELDS:
        if value.get(name):
            return plain_text(value[name])
    return "; ".join(f"{name}: {plain_text(field)}" for name, field in value.items() if field not in (None, "", []))
