"""Find the fields and query parameters that a request sends and its operation does not read."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache, lru_cache
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from msgspec import Struct, inspect
from msgspec.structs import replace

from pileus.api.operations import operation_id_of
from pileus.api.published_inputs import is_unread_published_field
from pileus.api.validation import DECODE_ERRORS
from pileus.api.validation_errors import FieldError, Path, find_field_errors, nested_by_path
from pileus.domain.errors import FieldErrors, field_errors
from pileus.domain.suggestions import describe_similar_names

MAX_UNREAD = 100
"""Further ones are left out."""
MAX_NAME = 100
"""Characters of a name that are shown."""
FREE = (inspect.AnyType, inspect.DictType, inspect.RawType)
"""Types whose keys are the client's own."""
DECLARED_BODY = "body_type"
"""The key of a handler's `opt` with the type of its body, if the handler takes it as a mapping."""


class UnreadKind(StrEnum):
    """Who knows an input that nothing reads.

    `published`: the operation of the public API has it. `other_type`: the operation reads it in objects of another
    type. `unknown`: neither; most of these are misspelled.
    """

    PUBLISHED = "published"
    OTHER_TYPE = "other_type"
    UNKNOWN = "unknown"


class UnreadInput(Struct, frozen=True):
    """An input that nothing reads, and the names that are read in its place."""

    path: Path
    known_names: tuple[str, ...]
    kind: UnreadKind = UnreadKind.UNKNOWN

    @property
    def name(self) -> str:
        """The names and positions on the way to the field, separated by dots."""
        return ".".join(self.path)

    @property
    def hint(self) -> str:
        """Say that nothing reads the input, and who knows it or which name may be meant."""
        if self.kind == UnreadKind.PUBLISHED:
            return "Not read by this operation, though the public API has it"
        if self.kind == UnreadKind.OTHER_TYPE:
            return "Not read in an object of this type, but in one of another type"
        return f"Not read by this operation{describe_similar_names(self.path[-1], self.known_names, count=1)}"


def find_unread_fields(raw: object, handler: HTTPRouteHandler) -> list[UnreadInput]:
    """Find the fields of a decoded body, at any depth, that are not in the body type of its operation."""
    body_type = find_body_type(handler)
    if body_type is None:
        names = raw if isinstance(raw, dict) else ()
        return [UnreadInput((_short(name),), ()) for name in islice(names, MAX_UNREAD)]
    operation_id = operation_id_of(handler)
    return [_with_published(field, operation_id) for field in find_unread_fields_of_type(raw, body_type)]


def find_unread_fields_of_type(raw: object, body_type: Any) -> list[UnreadInput]:
    """Find the fields of a decoded body, at any depth, that a body type does not have."""
    return list(islice(_unread_in(raw, _type_info(body_type), ()), MAX_UNREAD))


def find_unread_parameters(query: bytes, handler: HTTPRouteHandler) -> list[UnreadInput]:
    """Find the parameters of a query string that the operation does not have."""
    known_names = list_query_parameters(handler)
    sent_names = dict.fromkeys(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    unread = (UnreadInput((_short(name),), known_names) for name in sent_names if name not in known_names)
    return list(islice(unread, MAX_UNREAD))


def check_fields_are_read(body: bytes, handler: HTTPRouteHandler) -> None:
    """Raise Invalid, with all other errors of the body, if it has fields that the operation does not read."""
    try:
        raw = msgspec.json.decode(body)
    except DECODE_ERRORS:
        # Whoever decodes the body reports that.
        return
    if unread := find_unread_fields(raw, handler):
        # A mapping may lack what the handler adds to it.
        errors = {} if DECLARED_BODY in handler.opt else find_field_errors(raw, find_body_type(handler))
        raise field_errors(_merged(errors, nested_by_path(_texts(unread))))


def check_parameters_are_read(query: bytes, handler: HTTPRouteHandler) -> None:
    """Raise Invalid if a query string has parameters that the operation does not read."""
    if query and operation_id_of(handler) and (unread := find_unread_parameters(query, handler)):
        raise field_errors(nested_by_path(_texts(unread)))


def find_body_type(handler: HTTPRouteHandler) -> Any:
    """Return the type of the body of an operation, or None if it has no body."""
    body = handler.parsed_fn_signature.parameters.get("data")
    return handler.opt.get(DECLARED_BODY, None if body is None else body.annotation)


@lru_cache(4096)
def list_query_parameters(handler: HTTPRouteHandler) -> tuple[str, ...]:
    """Return the names of the query parameters of an operation and of what it depends on."""
    providers = handler.resolve_dependencies()
    names: dict[str, None] = {}
    pending, visited = [handler.parsed_fn_signature], set()
    while pending:
        for name, parameter in pending.pop().parameters.items():
            if isinstance(parameter.kwarg_definition, QueryParameter):
                names[parameter.kwarg_definition.name or name] = None
            elif name in providers and name not in visited:
                visited.add(name)
                pending.append(providers[name].parsed_fn_signature)
    return tuple(names)


def _with_published(field: UnreadInput, operation_id: str) -> UnreadInput:
    is_published = is_unread_published_field(operation_id, field.path)
    return replace(field, kind=UnreadKind.PUBLISHED) if is_published else field


def _texts(unread: Iterable[UnreadInput]) -> Iterator[FieldError]:
    return ((field.path, field.hint) for field in unread)


def _merged(errors: FieldErrors, others: FieldErrors) -> dict[str, Any]:
    """Return both trees of errors as one. A value has either errors of its own or errors inside."""
    both = {name: _merged(errors[name], others[name]) for name in errors.keys() & others.keys()}
    return {**errors, **others, **both}


def _unread_in(raw: object, type_info: inspect.Type, path: Path) -> Iterator[UnreadInput]:
    choices = list(_choices(type_info))
    if isinstance(raw, dict):
        yield from _unread_in_object(raw, choices, path)
    elif isinstance(raw, list):
        items = [choice.item_type for choice in choices if isinstance(choice, inspect.ListType)]
        for position, item in enumerate(raw if items else ()):
            yield from _unread_in(item, items[0], (*path, str(position)))


def _unread_in_object(raw: dict[str, Any], choices: list[inspect.Type], path: Path) -> Iterator[UnreadInput]:
    structs = _matching_structs(raw, choices)
    if not structs or any(isinstance(choice, FREE) for choice in choices):
        yield from _unread_in_values(raw, choices, path)
        return
    fields = {field.encode_name: field.type for struct in structs for field in struct.fields}
    tags = tuple({struct.tag_field for struct in structs if struct.tag_field})
    others = {field.encode_name for struct in _structs(choices) for field in struct.fields}
    for name, value in raw.items():
        if name in fields:
            yield from _unread_in(value, fields[name], (*path, name))
        elif name not in tags:
            kind = UnreadKind.OTHER_TYPE if name in others else UnreadKind.UNKNOWN
            yield UnreadInput((*path, _short(name)), (*fields, *tags), kind)


def _unread_in_values(raw: dict[str, Any], choices: list[inspect.Type], path: Path) -> Iterator[UnreadInput]:
    value_types = [choice.value_type for choice in choices if isinstance(choice, inspect.DictType)]
    for name, value in raw.items() if value_types else ():
        yield from _unread_in(value, value_types[0], (*path, name))


def _matching_structs(raw: dict[str, Any], choices: list[inspect.Type]) -> list[inspect.StructType]:
    """Return the object types that the value may have: one, if its tag says so."""
    structs = _structs(choices)
    return [struct for struct in structs if struct.tag_field and raw.get(struct.tag_field) == struct.tag] or structs


def _structs(choices: Iterable[inspect.Type]) -> list[inspect.StructType]:
    return [choice for choice in choices if isinstance(choice, inspect.StructType)]


def _short(name: str) -> str:
    return name[:MAX_NAME]


def _choices(type_info: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the types of a union, without their annotations."""
    if isinstance(type_info, inspect.Metadata):
        yield from _choices(type_info.type)
    elif isinstance(type_info, inspect.UnionType):
        for choice in type_info.types:
            yield from _choices(choice)
    else:
        yield type_info


@cache
def _type_info(type_: Any) -> inspect.Type:
    return inspect.type_info(type_)
