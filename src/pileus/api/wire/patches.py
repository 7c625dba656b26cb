"""The fields of a body that were sent."""

from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import asdict


def present_fields(body: Struct) -> dict[str, Any]:
    """Return the fields of a body that are not UNSET."""
    return {name: value for name, value in asdict(body).items() if value is not UNSET}
