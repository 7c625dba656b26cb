"""Tags of resources: keys and values of text. System tags are read-only."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from msgspec import Struct

from pileus.domain import limits
from pileus.domain.errors import Invalid

KEY_PATTERN = re.compile(r"[^\s=]{1,255}")
VALUE_PATTERN = re.compile(r"[^\t\n\r\f\v]{1,255}")
KEY_ERROR = "Tag key must have 1 to 255 characters, without white space and '='"
DUPLICATE_KEY_ERROR = "Tag keys must differ by more than blanks at their ends"
VALUE_ERROR = "Tag value must have 1 to 255 characters, without tabs and line breaks"

TagPatch = Mapping[str, str | None]
Value = TypeVar("Value", bound=str | None)


class Tag(Struct, frozen=True, gc=False, array_like=True):
    """A tag of a resource. The API orders tags by key."""

    key: str
    value: str
    read_only: bool = False


Tags = Mapping[str, Tag]


def make_tags(pairs: Iterable[tuple[str, str]], *, read_only: bool = False) -> dict[str, Tag]:
    """Make tags from pairs of key and value."""
    return {key: Tag(key, value, read_only) for key, value in pairs}


def merged_tags(current: Tags, patch: TagPatch | None) -> dict[str, Tag]:
    """Apply a JSON merge patch (RFC 7386): null removes a key, a patch of None removes all. Read-only tags stay."""
    if patch is None:
        return {key: tag for key, tag in current.items() if tag.read_only}
    result = dict(current)
    for key, value in patch.items():
        if key in result and result[key].read_only:
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = Tag(key, value)
    return result


def replaced_tags(current: Tags, tags: Mapping[str, str]) -> dict[str, Tag]:
    """Replace all tags that are not read-only."""
    return merged_tags(merged_tags(current, None), tags)


def check_tag_count(before: Tags, after: Tags, limit: int) -> None:
    """Raise Invalid if a change takes the tags that are not read-only over the limit, or further over it."""
    if len(after) > limit:
        limits.check_count("tags", _own_tag_count(after), limit, existing_count=_own_tag_count(before))


def validate_tags(tags: Mapping[str, Value], field: str = "tags") -> dict[str, Value]:
    """Strip spaces at the ends of keys and values and return them. Raises Invalid if they break the rules."""
    result: dict[str, Value] = {}
    errors: list[str] = []
    for key, value in tags.items():
        stripped = key.strip(" "), _strip(value)
        errors += [*_tag_errors(*stripped), *([DUPLICATE_KEY_ERROR] if stripped[0] in result else [])]
        result[stripped[0]] = stripped[1]
    if errors:
        fields = {field: list(dict.fromkeys(errors))}
        raise Invalid(f"Validation Error: {fields}", fields)
    return result


def _own_tag_count(tags: Tags) -> int:
    return sum(not tag.read_only for tag in tags.values())


def _strip(value: Value) -> Value:
    return value if value is None else cast("Value", value.strip(" "))


def _tag_errors(key: str, value: str | None) -> list[str]:
    errors = [] if KEY_PATTERN.fullmatch(key) else [KEY_ERROR]
    if value is not None and not VALUE_PATTERN.fullmatch(value):
        errors.append(VALUE_ERROR)
    return errors
