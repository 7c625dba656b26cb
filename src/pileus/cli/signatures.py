"""Options made from the official client's methods: what they take, of what kind, and what they say of it."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_overloads, get_type_hints

import click
from msgspec import Struct

from pileus.cli.values import Tags, Thing, listed, merged

HIDDEN = frozenset({"self", "project_id", "region_id", "extra_headers", "extra_query", "extra_body", "timeout"})
PARAMETER = re.compile(r"^ {10}(\w+): (.*(?:\n {14}.*|\n)*)", re.MULTILINE)
LONGEST = 200


class Parameter(Struct, frozen=True):
    """One parameter of a method: `read` makes what the method wants out of what was given."""

    name: str
    kind: click.ParamType[Any]
    required: bool
    in_path: bool
    several: bool
    help: str
    read: Callable[[Any], Any]

    @property
    def flag(self) -> str:
        """The option's name."""
        dashed = self.name.replace("_", "-")
        return f"--{dashed}/--no-{dashed}" if isinstance(self.kind, click.types.BoolParamType) else f"--{dashed}"


def parameters(method: Callable[..., Any], identity: str = "") -> list[Parameter]:
    """What a method takes, the required first; `identity` says which thing is meant, and is always asked for."""
    hints, told = get_type_hints(inspect.unwrap(method)), _told(method)
    found = [
        _parameter(each, hints[name], told.get(name, ""), named=name == identity)
        for name, each in inspect.signature(method).parameters.items()
        if name not in HIDDEN or name == identity
    ]
    return sorted(found, key=lambda each: not each.required)


def summary(method: Callable[..., Any]) -> str:
    """The first sentence of what a method says of itself."""
    text = next((each for each in _texts(method) if each), "")
    first = " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
    return _sentence(first)


def shortened(text: str, most: int) -> str:
    """A text as far as there is room."""
    return text if len(text) <= most else f"{text[:most]}…"


def _parameter(each: inspect.Parameter, hint: Any, text: str, *, named: bool) -> Parameter:
    kind, several, read = _kind(_choices(hint))
    # What stands in the path of a request can be given without its name.
    in_path = named or each.kind is each.POSITIONAL_OR_KEYWORD
    required = named or each.default is each.empty
    return Parameter(each.name, kind, required, in_path, several, text, read)


def _choices(hint: Any) -> list[Any]:
    """What a value may be, besides absent and null."""
    if get_origin(hint) in (Union, UnionType):
        return [choice for each in get_args(hint) for choice in _choices(each)]
    if get_origin(hint) in (Required, NotRequired):
        return _choices(get_args(hint)[0])
    if hint is type(None) or getattr(hint, "__name__", "") in ("Omit", "NotGiven"):
        return []
    return [hint]


def _kind(choices: list[Any]) -> tuple[click.ParamType[Any], bool, Callable[[Any], Any]]:
    """How a value is read from the command line, whether it may be given often, and what becomes of it."""
    words = [word for choice in choices if get_origin(choice) is Literal for word in get_args(choice)]
    if words:
        return click.Choice(list(dict.fromkeys(map(str, words)))), False, _same
    first = choices[0] if choices else str
    for plain, kind in ((bool, click.BOOL), (int, click.INT), (float, click.FLOAT)):
        if first is plain:
            return kind, False, _same
    if get_origin(first) is dict or get_origin(first) is Mapping:
        return Tags(), True, merged
    if hasattr(first, "__required_keys__"):
        return Thing(_texts_of(choices)), False, _same
    if get_origin(first) is not None:
        return _several(get_args(first))
    return click.STRING, False, _same


def _texts_of(objects: list[Any]) -> frozenset[str]:
    """The fields of objects that hold text, even if it looks like a number."""
    kinds: dict[str, list[Any]] = {}
    for each in objects:
        for name, hint in get_type_hints(each).items():
            kinds.setdefault(name, []).extend(_choices(hint))
    return frozenset(name for name, found in kinds.items() if str in found and int not in found)


def _several(inner: tuple[Any, ...]) -> tuple[click.ParamType[Any], bool, Callable[[Any], Any]]:
    kind, _, _ = _kind(_choices(inner[0]) if inner else [])
    return kind, True, listed


def _same(value: Any) -> Any:
    return value


def _texts(method: Callable[..., Any]) -> Iterable[str]:
    function = inspect.unwrap(method)
    function = getattr(function, "__func__", function)
    yield method.__doc__ or ""
    yield from (each.__doc__ or "" for each in get_overloads(function))


def _told(method: Callable[..., Any]) -> dict[str, str]:
    """What a method says of its parameters."""
    found: dict[str, str] = {}
    for text in _texts(method):
        for name, words in PARAMETER.findall(text):
            found.setdefault(name, _sentence(" ".join(words.split("\n\n")[0].split())))
    return found


def _sentence(text: str) -> str:
    """The first sentence, as far as there is room."""
    return shortened(re.split(r"(?<=\.)\s", text, maxsplit=1)[0].replace("...", "…"), LONGEST)
