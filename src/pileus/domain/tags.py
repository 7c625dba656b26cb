"""Tags: a map of text to text; some keys are the system's and read-only. One rule for every resource."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from msgspec import Struct

from pileus.domain.errors import Invalid

KEY_PATTERN = re.compile(r"[^\s=]{1,255}")
VALUE_PATTERN = re.compile(r"[^\t\n\r\f\v]{1,255}")
KEY_ERROR = "Tag key must have 1 to 255 characters, without white space and '='"
DUPLICATE_KEY_ERROR = "Tag keys must differ by more than blanks at their ends"
VALUE_ERROR = "Tag value must have 1 to 255 characters, without tabs and line breaks"

TagPatch = Mapping[str, str | None]
Value = TypeVar("Value", bound=str | None)


class Tag(Struct, frozen=True):
    """One tag of a resource; the API orders them by key."""

    key: str
    value: str
    read_only: bool = False


Tags = Mapping[str, Tag]


def make_tags(pairs: Iterable[tuple[str, str]], *, read_only: bool = False) -> dict[str, Tag]:
    """Build tags from pairs of key and value."""
    return {key: Tag(key, value, read_only) for key, value in pairs}


def merged(current: Tags, patch: TagPatch | None) -> dict[str, Tag]:
    """Apply a JSON merge patch (RFC 7386): null removes a key, a patch of None all; read-only tags stay as they are."""
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


def replaced(current: Tags, tags: Mapping[str, str]) -> dict[str, Tag]:
    """Put `tags` in the place of all that are not read-only."""
    return merged(merged(current, None), tags)


def validate_tags(tags: Mapping[str, Value], field: str = "tags") -> dict[str, Value]:
    """Strip blanks (and only those) at the ends, then hold keys and values to the rules; raises Invalid."""
    result: dict[str, Value] = {}
    complaints: list[str] = []
    for key, value in tags.items():
        stripped = key.strip(" "), _stripped(value)
        complaints += [*_complaints(*stripped), *([DUPLICATE_KEY_ERROR] if stripped[0] in result else [])]
        result[stripped[0]] = stripped[1]
    if complaints:
        fields = {field: list(dict.fromkeys(complaints))}
        raise Invalid(f"Validation Error: {fields}", fields)
    return result


def _stripped(value: Value) -> Value:
    return value if value is None else cast("Value", value.strip(" "))


def _complaints(key: str, value: str | None) -> list[str]:
    found = [] if KEY_PATTERN.fullmatch(key) else [KEY_ERROR]
    if value is not None and not VALUE_PATTERN.fullmatch(value):
        found.append(VALUE_ERROR)
    return found
