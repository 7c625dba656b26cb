"""Read errors from answers."""

from collections.abc import Mapping
from typing import Any


def list_error_paths(fields: Mapping[str, Any], prefix: str = "") -> list[str]:
    """List the paths of the fields with errors, such as `interfaces.0.network_id`."""
    paths = []
    for name, inner in fields.items():
        paths += list_error_paths(inner, f"{prefix}{name}.") if isinstance(inner, Mapping) else [f"{prefix}{name}"]
    return paths
