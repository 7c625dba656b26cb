"""Fields of `pileus api`: `key=value`, `key[name]=value` and `key[]=value` as JSON."""

import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from pileus.cli.commands import CommandError, UsageError

KEY = re.compile(r"([^\[\]=]+)((?:\[[^\[\]]*\])*)")
PART = re.compile(r"\[([^\[\]]*)\]")
INTEGER = re.compile(r"-?[0-9]+")
LITERALS = {"true": True, "false": False, "null": None}


def parse_fields(raw_fields: Sequence[str], typed_fields: Sequence[str]) -> dict[str, Any]:
    """Return the object that fields describe. Raises UsageError or CommandError."""
    fields: dict[str, Any] = {}
    for text in raw_fields:
        key, value = _split(text)
        _set_at(fields, key, value)
    for text in typed_fields:
        key, value = _split(text)
        _set_at(fields, key, _typed(value))
    return fields


def _split(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not KEY.fullmatch(key):
        raise UsageError(f"{text!r} is not KEY=VALUE")
    return key, value


def _typed(text: str) -> Any:
    if text in LITERALS:
        return LITERALS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    return _read_text(text[1:]) if text.startswith("@") else text


def _read_text(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}") from None


def _set_at(fields: dict[str, Any], key: str, value: Any) -> None:
    """Set a field, or a field of an object or a list in it, which are made as needed. Raises UsageError."""
    match = KEY.fullmatch(key)
    assert match is not None  # noqa: S101  # `_split` has checked it
    parts = [match[1], *PART.findall(match[2])]
    place: Any = fields
    for part, following in pairwise(parts):
        place = _enter(place, part, [] if following == "" else {}, key)
    _put(place, parts[-1], value, key)


def _enter(place: Any, part: str, empty: Any, key: str) -> Any:
    """Return the object or the list at a part of a key, and make it if there is none."""
    if part == "" and isinstance(place, list):
        place.append(empty)
        return place[-1]
    if not isinstance(place, dict) or part == "":
        raise UsageError(f"{key}: a field cannot be a list and an object")
    return place.setdefault(part, empty)


def _put(place: Any, part: str, value: Any, key: str) -> None:
    if part == "" and isinstance(place, list):
        place.append(value)
    elif isinstance(place, dict) and part:
        place[part] = value
    else:
        raise UsageError(f"{key}: a field cannot be a list, an object and a value")
