"""What objects carry besides for older clients, where the server is set so: the same facts under second names."""

from collections.abc import Iterable
from typing import Any

from pileus.api.wire.tags import TagView


def legacy_tag_fields(tags: Iterable[TagView]) -> dict[str, Any]:
    """Tags as `metadata`, a map, and as `metadata_detailed`, a list."""
    each = list(tags)
    return {"metadata": {tag.key: tag.value for tag in each}, "metadata_detailed": each}
