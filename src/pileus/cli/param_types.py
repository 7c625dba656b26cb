"""Parameter types of the command line: `key=value` lists, tags and JSON."""

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import click

from pileus.cli.suggestions import suggest_text

OPEN, CLOSE = "[{", "]}"
LITERALS = {"true": True, "false": False, "null": None}


class ObjectParamType(click.ParamType[Any]):
    """An object: `key=value,key=value`, JSON, or `@FILE` with JSON in the file.

    Values of `text_keys` stay text; other keys than `keys` are refused.

    An object that has only an id can be written as the id or the name alone.
    """

    name = "KEY=VALUE,…"

    def __init__(self, text_keys: AbstractSet[str] = frozenset(), keys: Sequence[str] = ()) -> None:
        self.text_keys = text_keys
        self.keys = keys

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the object; a value that looks like a number, a list or an object becomes one."""
        if not isinstance(value, str):
            return value
        if value[:1] == "@":
            value = self._read_file(value[1:], param, ctx)
        if value[:1] in OPEN:
            return _parse_json(self, value, param, ctx)
        fields: dict[str, Any] = {}
        for part in _split_parts(value):
            key, equals, text = part.partition("=")
            if not equals and list(self.keys) == ["id"]:
                return {"id": value}
            if not equals or not key.strip():
                self.fail(f"{part!r} is not KEY=VALUE; separate several by commas", param, ctx)
            self._check_key(key.strip(), param, ctx)
            fields[key.strip()] = text if key.strip() in self.text_keys else self._value(text, param, ctx)
        return fields

    def _read_file(self, name: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read an object from a file: whoever lists the processes of a host sees command lines."""
        try:
            return Path(name).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            return self.fail(f"{name} cannot be read: {error}", param, ctx)

    def _check_key(self, key: str, param: click.Parameter | None, ctx: click.Context | None) -> None:
        if self.keys and key not in self.keys:
            hint = suggest_text(key, self.keys) or f" There are: {', '.join(self.keys)}."
            self.fail(f"there is no key {key}.{hint}", param, ctx)

    def _value(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if text in LITERALS:
            return LITERALS[text]
        if text.isascii() and text.removeprefix("-").isdecimal():
            return int(text)
        return _parse_json(self, text, param, ctx) if text[:1] in OPEN and text else text


class TagParamType(click.ParamType[Any]):
    """Tags: `KEY=VALUE` sets a tag, `KEY-` removes one; or a map as JSON."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a tag into a map."""
        if not isinstance(value, str):
            return value
        if value[:1] == "{":
            return _parse_json(self, value, param, ctx)
        key, equals, text = value.partition("=")
        if equals and key:
            return {key: text}
        if len(value) > 1 and value.endswith("-"):
            return {value[:-1]: None}
        return self.fail(f"{value!r} is neither KEY=VALUE, which sets a tag, nor KEY-, which removes it", param, ctx)


def merge_maps(maps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merge maps. Later ones win."""
    return {key: value for tags in maps for key, value in tags.items()}


def flatten(values: Sequence[Any]) -> list[Any]:
    """Flatten a list of values and lists of values."""
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


def _parse_json(kind: click.ParamType[Any], text: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        return kind.fail(f"{text!r} is not JSON: {error}", param, ctx)


def _split_parts(text: str) -> Iterator[str]:
    """Split at commas outside of lists and objects."""
    depth, start = 0, 0
    for index, letter in enumerate(text):
        depth += (letter in OPEN) - (letter in CLOSE)
        if letter == "," and depth == 0:
            yield text[start:index]
            start = index + 1
    yield text[start:]
