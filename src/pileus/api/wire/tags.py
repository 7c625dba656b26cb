"""Tags as the API shows them, and maps of them as it takes them."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from pileus.domain.errors import invalid
from pileus.domain.tags import Tag, validate_tags

Ruled = Meta(extra={"rule": validate_tags})

NewTags = Annotated[dict[str, str], Ruled]
TagChanges = Annotated[dict[str, str | None], Ruled]


class TagView(Struct, kw_only=True):
    """One tag; a read-only one belongs to the system."""

    key: str
    value: str
    read_only: bool

    @classmethod
    def of(cls, tag: Tag) -> "TagView":
        """Show a tag."""
        return cls(key=tag.key, value=tag.value, read_only=tag.read_only)


def tag_views(tags: Iterable[Tag]) -> list[TagView]:
    """Show tags in the order given."""
    return [TagView(key=tag.key, value=tag.value, read_only=tag.read_only) for tag in tags]


def parse_tag_filter(text: str | None) -> dict[str, str]:
    """Read the parameter `tag_key_value`: a map of tags, as JSON. Raises Invalid."""
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError:
        raise invalid(tag_key_value="Input should be a JSON object of texts") from None
