"""Values as they are typed: `key=value` lists and JSON where a client needs more than a word."""

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import click

OPEN, CLOSE = "[{", "]}"
WORDS = {"true": True, "false": False, "null": None}


class Thing(click.ParamType[Any]):
    """An object: `key=value,key=value`, or JSON; `texts` are keys whose values stay as they are typed."""

    name = "KEY=VALUE,…"

    def __init__(self, texts: AbstractSet[str] = frozenset()) -> None:
        self.texts = texts

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it; what looks like a number, a list or an object is one."""
        if not isinstance(value, str):
            return value
        if value[:1] in OPEN:
            return _json(self, value, param, ctx)
        found: dict[str, Any] = {}
        for part in _parts(value):
            key, equals, text = part.partition("=")
            if not equals or not key.strip():
                self.fail(f"{part!r} is not KEY=VALUE; several stand with commas between them", param, ctx)
            found[key.strip()] = text if key.strip() in self.texts else self._value(text, param, ctx)
        return found

    def _value(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if text in WORDS:
            return WORDS[text]
        if text.isascii() and text.removeprefix("-").isdecimal():
            return int(text)
        return _json(self, text, param, ctx) if text[:1] in OPEN and text else text


class Tags(click.ParamType[Any]):
    """Tags: `KEY=VALUE` sets one, `KEY-` takes one away; or a whole map as JSON."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read one into a map."""
        if not isinstance(value, str):
            return value
        if value[:1] == "{":
            return _json(self, value, param, ctx)
        key, equals, text = value.partition("=")
        if equals and key:
            return {key: text}
        if len(value) > 1 and value.endswith("-"):
            return {value[:-1]: None}
        return self.fail(f"{value!r} is neither KEY=VALUE, which sets a tag, nor KEY-, which takes it away", param, ctx)


def merged(maps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All of them in one; the later wins."""
    return {key: value for each in maps for key, value in each.items()}


def listed(given: Sequence[Any]) -> list[Any]:
    """Things that were given one by one, or as lists."""
    return [one for each in given for one in (each if isinstance(each, list) else [each])]


def _json(kind: click.ParamType[Any], text: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
    try:
        return json.loads(text)
    except ValueError as mistake:
        return kind.fail(f"{text!r} is not JSON: {mistake}", param, ctx)


def _parts(text: str) -> Iterator[str]:
    """Split at the commas that stand outside of lists and objects."""
    depth, begin = 0, 0
    for at, letter in enumerate(text):
        depth += (letter in OPEN) - (letter in CLOSE)
        if letter == "," and depth == 0:
            yield text[begin:at]
            begin = at + 1
    yield text[begin:]
