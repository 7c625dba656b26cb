"""Read the methods of the official client: parameters, variants, texts and requests. Only the generator needs it."""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_overloads, get_type_hints

import httpx
from msgspec import Struct
from msgspec.structs import replace

from pileus.cli.resource_methods import WHOLE_BODY, Location, MethodParameter, ParameterType, Variant

HIDDEN_PARAMETERS = frozenset(
    {"self", "project_id", "region_id", "extra_headers", "extra_query", "extra_body", "timeout"}
)
PARAMETER_DOC = re.compile(r"^ {10}(\w+): (.*(?:\n {14}.*|\n)*)", re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
MARKUP = re.compile(r"\*\*|`|</?\w+>|^Optional\. ")
SENTENCE_END = re.compile(r"(?<!e\.g)(?<!i\.e)(?<=\.)\s+(?=[A-Z\"'(])")
MAX_HELP_LENGTH = 200
PROJECT, REGION = 900_001, 900_002
"""Ids that stand for the project and the region in recorded paths."""
PLAIN_TYPES: dict[type, ParameterType] = {bool: "boolean", int: "integer", float: "number"}
Method = Callable[..., Any]


class RecordedRequest(Struct, frozen=True):
    """The request that a method sends: its path is a template, and locations are by the names that are sent.

    `sent_names` are the names under which arguments with unique values are sent.
    """

    method: str
    path: str
    locations: Mapping[str, Location]
    sent_names: Mapping[str, str] = {}


def read_parameters(method: Method, id_parameter: str = "") -> list[MethodParameter]:
    """Return a method's parameters, those of the path first, then the required. `id_parameter` is never hidden."""
    hints, help_texts = get_type_hints(inspect.unwrap(method)), _parameter_help(method)
    parameters = [
        _read_parameter(parameter, hints[name], help_texts.get(name, ""), is_id=name == id_parameter)
        for name, parameter in inspect.signature(method).parameters.items()
        if name not in HIDDEN_PARAMETERS or name == id_parameter
    ]
    return sorted(parameters, key=lambda parameter: (parameter.location != "path", not parameter.is_required))


def read_variants(method: Method) -> list[Variant]:
    """Return the forms of an overloaded method."""
    variants = [_read_variant(overload) for overload in get_overloads(_function(method))]
    words = {name: {variant.literals.get(name) for variant in variants} for name in _literal_names(variants)}
    return [
        replace(variant, literals={name: value for name, value in variant.literals.items() if len(words[name]) > 1})
        for variant in variants
    ]


def sample_arguments(parameters: Iterable[MethodParameter]) -> dict[str, Any]:
    """Return an argument for each parameter, by which it is recognized in a request."""
    return {parameter.name: _sample(parameter, number) for number, parameter in enumerate(parameters, 700_000)}


def describe_request(request: httpx.Request, arguments: Mapping[str, Any]) -> RecordedRequest:
    """Describe a request that a method has sent for sample arguments."""
    body = json.loads(request.content) if request.content else {}
    names = {str(value): name for name, value in arguments.items() if value != ""}
    names |= {str(PROJECT): "project_id", str(REGION): "region_id"}
    parts = [f"{{{names[part]}}}" if part in names else part for part in request.url.path.split("/")]
    locations: dict[str, Location] = dict.fromkeys(request.url.params, "query")
    if isinstance(body, list):
        body = {WHOLE_BODY: body}
    locations |= dict.fromkeys(body, "body")
    sent_names = {names[str(value)]: name for name, value in body.items() if str(value) in names}
    return RecordedRequest(request.method, "/".join(parts), locations, sent_names)


def plain_sentence(text: str) -> str:
    """Return the first sentence of a text without markup, cut to the maximum length."""
    plain = MARKUP.sub("", LINK.sub(r"\1", " ".join(text.split("\n\n", maxsplit=1)[0].split())))
    sentence = SENTENCE_END.split(plain, maxsplit=1)[0].replace("...", "…")
    return sentence if len(sentence) <= MAX_HELP_LENGTH else f"{sentence[:MAX_HELP_LENGTH]}…"


def _read_parameter(parameter: inspect.Parameter, hint: Any, text: str, *, is_id: bool) -> MethodParameter:
    choices = _possible_types(hint)
    is_list = bool(choices) and _is_list(choices[0])
    items = _possible_types(get_args(choices[0])[0]) if is_list else choices
    # The client's methods take the parameters of the request's path as positional ones.
    is_positional = is_id or parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    keys = _keys(items)
    return MethodParameter(
        name=parameter.name,
        location="path" if is_positional else "query",
        type=_plain_type(items),
        choices=tuple(dict.fromkeys(_words(items))),
        is_required=is_id or parameter.default is parameter.empty,
        is_multiple=is_list,
        keys=tuple(keys),
        text_keys=tuple(name for name, types in keys.items() if str in types and int not in types),
        help=text,
    )


def _possible_types(hint: Any) -> list[Any]:
    """Return the types that a hint allows, without absent and null."""
    if get_origin(hint) in (Union, UnionType):
        return [choice for option in get_args(hint) for choice in _possible_types(option)]
    if get_origin(hint) in (Required, NotRequired):
        return _possible_types(get_args(hint)[0])
    if hint is type(None) or getattr(hint, "__name__", "") in ("Omit", "NotGiven"):
        return []
    return [hint]


def _plain_type(choices: list[Any]) -> ParameterType:
    first_type = choices[0] if choices else str
    if get_origin(first_type) is dict or get_origin(first_type) is Mapping:
        return "tags"
    if hasattr(first_type, "__required_keys__"):
        return "object"
    return PLAIN_TYPES.get(first_type, "text")


def _is_list(hint: Any) -> bool:
    return get_origin(hint) is not None and get_origin(hint) not in (Literal, dict, Mapping)


def _words(choices: list[Any]) -> Iterator[str]:
    for choice in choices:
        if get_origin(choice) is Literal:
            yield from map(str, get_args(choice))


def _keys(objects: list[Any]) -> dict[str, list[Any]]:
    """Return the possible types of each key of the objects."""
    types_by_key: dict[str, list[Any]] = {}
    for object_type in objects:
        if hasattr(object_type, "__required_keys__"):
            for name, hint in get_type_hints(object_type).items():
                types_by_key.setdefault(name, []).extend(_possible_types(hint))
    return types_by_key


def _read_variant(overload: Method) -> Variant:
    hints = get_type_hints(overload)
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(overload).parameters.items()
        if name not in HIDDEN_PARAMETERS
    }
    words = {name: tuple(_words(_possible_types(hints[name]))) for name in parameters}
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    literals = {name: words[name] for name in parameters if words[name]}
    return Variant(literals=literals, required=tuple(required), allowed=tuple(parameters))


def _literal_names(variants: Iterable[Variant]) -> set[str]:
    return {name for variant in variants for name in variant.literals}


def _sample(parameter: MethodParameter, number: int) -> Any:
    samples = {"boolean": True, "integer": number, "number": 0.5, "tags": {"key": "value"}, "object": {"key": "value"}}
    sample = parameter.choices[0] if parameter.choices else samples.get(parameter.type, f"sample-{number}")
    return [sample] if parameter.is_multiple else sample


def _function(method: Method) -> Any:
    function = inspect.unwrap(method)
    return getattr(function, "__func__", function)


def _parameter_help(method: Method) -> dict[str, str]:
    """Return the help texts of a method's parameters. Variants that disagree have no common text."""
    texts: dict[str, set[str]] = {}
    overloads = get_overloads(_function(method))
    for documented in overloads or [method]:
        for name, words in PARAMETER_DOC.findall(documented.__doc__ or ""):
            texts.setdefault(name, set()).add(plain_sentence(words))
    return {name: next(iter(sentences)) if len(sentences) == 1 else "" for name, sentences in texts.items()}
