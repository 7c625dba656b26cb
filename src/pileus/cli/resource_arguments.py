"""The parameters of operations as options, and the values of options as requests."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import click
from msgspec import Struct

from pileus.cli.api_client import ApiClient
from pileus.cli.commands import UsageError
from pileus.cli.names import kind_of_parameter, resolve_names
from pileus.cli.param_types import ObjectParamType, TagParamType, flatten, merge_maps
from pileus.cli.resource_kinds import ResourceKind
from pileus.cli.resource_methods import WHOLE_BODY, MethodParameter, ResourceMethod, Variant, fill_path
from pileus.cli.value_completion import complete_value

PLAIN_TYPES: dict[str, click.ParamType[Any]] = {
    "text": click.STRING,
    "integer": click.INT,
    "number": click.FLOAT,
    "boolean": click.BOOL,
}
Options = Mapping[str, Any]


class ApiRequest(Struct, frozen=True):
    """A request to the API."""

    method: str
    path: str
    path_values: dict[str, Any]
    query: dict[str, Any]
    body: dict[str, Any] | list[Any] | None


def find_subject(method: ResourceMethod) -> MethodParameter | None:
    """Return the parameter that is the command's argument: the first of the path."""
    return next((parameter for parameter in method.parameters if parameter.location == "path"), None)


def make_option(parameter: MethodParameter, kind: ResourceKind, *, is_subject: bool) -> click.Parameter:
    """Make the argument or the option of a parameter."""
    param_type = _param_type(parameter)
    if is_subject:
        # A name is accepted too, even if the id is a number.
        subject_type = click.STRING if kind_of_parameter(kind, parameter.name) else param_type
        return click.Argument(
            [parameter.name], type=subject_type, metavar=parameter.name.upper(), shell_complete=complete_value(kind)
        )
    is_flag = parameter.type == "boolean"
    takes_name = kind_of_parameter(kind, parameter.name) and param_type is click.STRING
    # An option with a default is never missing, even if the default is None. A flag without one is false.
    default: dict[str, Any] = {"default": None} if is_flag else {}
    return click.Option(
        [f"{parameter.flag}/--no-{parameter.flag[2:]}" if is_flag else parameter.flag, parameter.name],
        type=None if is_flag else param_type,
        # False would make the value optional, so that a missing one is ignored.
        is_flag=is_flag or None,
        **default,
        multiple=parameter.is_multiple or parameter.type == "tags",
        required=parameter.is_required,
        metavar="ID|NAME" if takes_name else None,
        help=parameter.help or parameter.name.replace("_", " ").capitalize(),
        shell_complete=None if is_flag or parameter.choices else complete_value(kind),
    )


def check_variant(method: ResourceMethod, options: Options) -> None:
    """Raise UsageError if the given options do not fit the form of the operation that they choose."""
    given = {name for name, value in options.items() if value not in (None, ())} | method.fixed.keys()
    names = {parameter.name for parameter in method.parameters}
    variant = _find_variant(method, options, given & names)
    if variant is None:
        return
    choice = " ".join(f"{_flag(name)} {options[name]}" for name in variant.literals if options.get(name))
    if missing := [name for name in variant.required if name not in given]:
        raise UsageError(f"{choice or 'this'} needs {', '.join(map(_flag, missing))}")
    if extra := [name for name in sorted(given & names) if name not in variant.allowed]:
        raise UsageError(f"{choice or 'this'} does not take {', '.join(map(_flag, extra))}")


def build_request(api: ApiClient, kind: ResourceKind, method: ResourceMethod, options: Options) -> ApiRequest:
    """Return the request of a command: values converted, and ids in the place of names."""
    given = [parameter for parameter in method.parameters if options[parameter.name] not in (None, ())]
    values = {
        parameter.name: resolve_names(api, kind, parameter.name, _convert(parameter, options[parameter.name]))
        for parameter in given
    }
    by_place: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "body": dict(method.fixed)}
    for parameter in given:
        by_place[parameter.location][parameter.sent_name or parameter.name] = values[parameter.name]
    has_body = bool(by_place["body"]) or any(parameter.location == "body" for parameter in method.parameters)
    body = by_place["body"].get(WHOLE_BODY, by_place["body"]) if has_body else None
    path = fill_path(method.path, by_place["path"])
    return ApiRequest(method.method, path, by_place["path"], by_place["query"], body)


def _param_type(parameter: MethodParameter) -> click.ParamType[Any]:
    if parameter.choices:
        return click.Choice(parameter.choices)
    if parameter.type == "object":
        return ObjectParamType(frozenset(parameter.text_keys), parameter.keys)
    return TagParamType() if parameter.type == "tags" else PLAIN_TYPES[parameter.type]


def _convert(parameter: MethodParameter, value: Any) -> Any:
    if parameter.type == "tags":
        return merge_maps(value)
    return flatten(value) if parameter.is_multiple else value


def _find_variant(method: ResourceMethod, options: Options, given: AbstractSet[str]) -> Variant | None:
    """Return the form that the literals choose. Among several it is the one that fits best what is given."""
    chosen = [
        variant
        for variant in method.variants
        if all(options.get(name) is None or options[name] in words for name, words in variant.literals.items())
    ]
    return min(chosen, key=lambda variant: _mismatch(variant, given), default=None)


def _mismatch(variant: Variant, given: AbstractSet[str]) -> int:
    """Return how many parameters are missing or too many."""
    return len(given - set(variant.allowed)) + len(set(variant.required) - given)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
