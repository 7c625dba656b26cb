"""Bodies that change something: what of them was sent."""

from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import asdict


def present_fields(body: Struct) -> dict[str, Any]:
    """The fields of a body that were sent; a field that was not is UNSET."""
    return {name: value for name, value in asdict(body).items() if value is not UNSET}
