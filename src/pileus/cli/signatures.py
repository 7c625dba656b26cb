"""Read the parameters of the official client's methods: names, types and help texts."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_overloads, get_type_hints

import click
from msgspec import Struct

from pileus.cli.param_types import ObjectParamType, TagParamType, flatten, merge_maps

HIDDEN_PARAMETERS = frozenset(
    {"self", "project_id", "region_id", "extra_headers", "extra_query", "extra_body", "timeout"}
)
PARAMETER_DOC = re.compile(r"^ {10}(\w+): (.*(?:\n {14}.*|\n)*)", re.MULTILINE)
MAX_HELP_LENGTH = 200


class MethodParameter(Struct, frozen=True):
    """A parameter of a method; `convert` turns the option's value into the argument."""

    name: str
    param_type: click.ParamType[Any]
    is_required: bool
    is_positional: bool
    is_multiple: bool
    help: str
    convert: Callable[[Any], Any]

    @property
    def flag(self) -> str:
        """The option's name."""
        dashed = self.name.replace("_", "-")
        return f"--{dashed}/--no-{dashed}" if isinstance(self.param_type, click.types.BoolParamType) else f"--{dashed}"


def method_parameters(method: Callable[..., Any], id_parameter: str = "") -> list[MethodParameter]:
    """Return a method's parameters, the required first. `id_parameter` is always required."""
    hints, help_texts = get_type_hints(inspect.unwrap(method)), _parameter_help(method)
    parameters = [
        _read_parameter(parameter, hints[name], help_texts.get(name, ""), is_id=name == id_parameter)
        for name, parameter in inspect.signature(method).parameters.items()
        if name not in HIDDEN_PARAMETERS or name == id_parameter
    ]
    return sorted(parameters, key=lambda parameter: not parameter.is_required)


def method_summary(method: Callable[..., Any]) -> str:
    """Return the first sentence of a method's docstring."""
    text = next((docstring for docstring in _docstrings(method) if docstring), "")
    first = " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
    return _first_sentence(first)


def shorten(text: str, max_length: int) -> str:
    """Cut a text to a length and mark the cut."""
    return text if len(text) <= max_length else f"{text[:max_length]}…"


def _read_parameter(parameter: inspect.Parameter, hint: Any, text: str, *, is_id: bool) -> MethodParameter:
    param_type, is_multiple, convert = _option_type(_possible_types(hint))
    # The client's methods take the parameters of the request's path as positional ones.
    is_positional = is_id or parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    is_required = is_id or parameter.default is parameter.empty
    return MethodParameter(parameter.name, param_type, is_required, is_positional, is_multiple, text, convert)


def _possible_types(hint: Any) -> list[Any]:
    """Return the types that a hint allows, without absent and null."""
    if get_origin(hint) in (Union, UnionType):
        return [choice for option in get_args(hint) for choice in _possible_types(option)]
    if get_origin(hint) in (Required, NotRequired):
        return _possible_types(get_args(hint)[0])
    if hint is type(None) or getattr(hint, "__name__", "") in ("Omit", "NotGiven"):
        return []
    return [hint]


def _option_type(choices: list[Any]) -> tuple[click.ParamType[Any], bool, Callable[[Any], Any]]:
    """Return the option's type, whether it can be repeated, and the converter of its value."""
    words = [word for choice in choices if get_origin(choice) is Literal for word in get_args(choice)]
    if words:
        return click.Choice(list(dict.fromkeys(map(str, words)))), False, _unchanged
    first_type = choices[0] if choices else str
    for plain, kind in ((bool, click.BOOL), (int, click.INT), (float, click.FLOAT)):
        if first_type is plain:
            return kind, False, _unchanged
    if get_origin(first_type) is dict or get_origin(first_type) is Mapping:
        return TagParamType(), True, merge_maps
    if hasattr(first_type, "__required_keys__"):
        return ObjectParamType(_text_fields(choices)), False, _unchanged
    if get_origin(first_type) is not None:
        return _list_option(get_args(first_type))
    return click.STRING, False, _unchanged


def _text_fields(objects: list[Any]) -> frozenset[str]:
    """Return the fields of objects that are text, even if a value looks like a number."""
    types_by_field: dict[str, list[Any]] = {}
    for object_type in objects:
        for name, hint in get_type_hints(object_type).items():
            types_by_field.setdefault(name, []).extend(_possible_types(hint))
    return frozenset(name for name, types in types_by_field.items() if str in types and int not in types)


def _list_option(inner: tuple[Any, ...]) -> tuple[click.ParamType[Any], bool, Callable[[Any], Any]]:
    param_type, _, _ = _option_type(_possible_types(inner[0]) if inner else [])
    return param_type, True, flatten


def _unchanged(value: Any) -> Any:
    return value


def _docstrings(method: Callable[..., Any]) -> Iterable[str]:
    function = inspect.unwrap(method)
    function = getattr(function, "__func__", function)
    yield method.__doc__ or ""
    yield from (overload.__doc__ or "" for overload in get_overloads(function))


def _parameter_help(method: Callable[..., Any]) -> dict[str, str]:
    """Return the help texts of a method's parameters, from its docstrings."""
    help_texts: dict[str, str] = {}
    for text in _docstrings(method):
        for name, words in PARAMETER_DOC.findall(text):
            help_texts.setdefault(name, _first_sentence(" ".join(words.split("\n\n")[0].split())))
    return help_texts


def _first_sentence(text: str) -> str:
    """Return the first sentence, cut to the maximum length."""
    return shorten(re.split(r"(?<=\.)\s", text, maxsplit=1)[0].replace("...", "…"), MAX_HELP_LENGTH)
