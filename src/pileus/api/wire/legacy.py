"""Older names of fields: how bodies and views declare them, and how views leave them out."""

from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.tags import NewTags, TagView
from pileus.domain.tags import validate_tags

T = TypeVar("T")
DEPRECATED = Meta(extra_json_schema={"extra": {"deprecated": True}})
"""Marks a field as deprecated in the OpenAPI document."""
LegacyField = Annotated[T | UnsetType, DEPRECATED]
"""A field of a view for older clients. It is UNSET if the setting `legacy_fields` is off."""
LegacyInput = Annotated[T | None, DEPRECATED]
"""A field of a body under its older name."""
PLAIN_TYPES = (str, int, float, bool, type(None), UnsetType)
EmptyList = Annotated[list[Any], Meta(max_length=0)]
"""An empty map, as clients in PHP encode it."""


class CreateTaggedResource(Struct, kw_only=True):
    """The tags of a resource to create; `metadata` is their older name, and is ignored if there are `tags`."""

    tags: NewTags | None = None
    metadata: LegacyInput[NewTags | EmptyList] = None

    def effective_tags(self) -> dict[str, str]:
        """Return the tags under either name. Raises Invalid."""
        return validate_tags(dict(self.tags or self.metadata or ()))


def legacy_tag_fields(tags: Iterable[TagView]) -> dict[str, Any]:
    """Return the tags as `metadata`, a map, and as `metadata_detailed`, a list."""
    tag_list = list(tags)
    return {"metadata": {tag.key: tag.value for tag in tag_list}, "metadata_detailed": tag_list}


def unset_legacy_fields(content: object) -> None:
    """Unset the fields for older clients in a view and in the views that it contains."""
    if isinstance(content, Struct):
        for name in _legacy_field_names(type(content)):
            setattr(content, name, UNSET)
        for name in _nested_field_names(type(content)):
            unset_legacy_fields(getattr(content, name))
    elif isinstance(content, list | tuple):
        for item in content:
            unset_legacy_fields(item)
    elif isinstance(content, dict):
        for item in content.values():
            unset_legacy_fields(item)


@cache
def _legacy_field_names(view_type: type[Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(view_type) if _is_deprecated(field.type)]


@cache
def _nested_field_names(view_type: type[Struct]) -> list[str]:
    """Return the fields that may contain other views: lists of many items are then visited by few steps for each."""
    return [field.name for field in msgspec.structs.fields(view_type) if not _is_plain(field.type)]


def _is_plain(annotation: Any) -> bool:
    """Return whether values of a type contain no view."""
    if get_origin(annotation) is Annotated:
        return _is_plain(get_args(annotation)[0])
    if get_origin(annotation) is Literal or annotation in PLAIN_TYPES:
        return True
    arguments = get_args(annotation)
    return bool(arguments) and all(map(_is_plain, arguments))


def _is_deprecated(annotation: object) -> bool:
    return DEPRECATED in getattr(annotation, "__metadata__", ())
