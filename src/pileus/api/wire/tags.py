"""Tags as the API returns them, and maps of tags as it accepts them."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Struct

from pileus.api.wire.constraints import at_most_properties
from pileus.domain.limits import TAG_CHANGES
from pileus.domain.tags import Tag, validate_tags

TagRules = at_most_properties(TAG_CHANGES, extra={"rule": validate_tags})

NewTags = Annotated[dict[str, str], TagRules]
TagChanges = Annotated[dict[str, str | None], TagRules]


class TagView(Struct, gc=False):
    """One tag. A read-only tag belongs to the system."""

    key: str
    value: str
    read_only: bool

    @classmethod
    def of(cls, tag: Tag) -> "TagView":
        """Make the view of a tag."""
        return cls(key=tag.key, value=tag.value, read_only=tag.read_only)


def tag_views(tags: Iterable[Tag]) -> list[TagView]:
    """Make the views of tags, in the given order."""
    return [TagView(tag.key, tag.value, tag.read_only) for tag in tags]
