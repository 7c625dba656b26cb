"""Fields for older clients, returned if the setting `legacy_fields` is on."""

from collections.abc import Iterable
from typing import Any

from pileus.api.wire.tags import TagView


def legacy_tag_fields(tags: Iterable[TagView]) -> dict[str, Any]:
    """Return the tags as `metadata`, a map, and as `metadata_detailed`, a list."""
    tag_list = list(tags)
    return {"metadata": {tag.key: tag.value for tag in tag_list}, "metadata_detailed": tag_list}
