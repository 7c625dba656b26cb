"""What is wrong with a piece of JSON that should be of a type, field by field, in the words of the public API."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from pileus.domain.errors import Invalid

T = TypeVar("T")
Complaint = tuple[str, str]
Complaints = dict[str, list[str]]

WHOLE = "body"
# Part of patterns, as Python's `$` also matches before a line break at the end; nothing that callers need to know.
NO_LINE_BREAK = r"(?!\n)"
NOT_AN_OBJECT = "Input should be a valid dictionary or object to extract fields from"


def find_errors(raw: object, type_: Any) -> Complaints:
    """Map each field, by its innermost name, to what is wrong with it."""
    found: Complaints = {}
    for name, text in _look(raw, _described(type_), WHOLE):
        texts = found.setdefault(name, [])
        if text not in texts:
            texts.append(text)
    return found


@cache
def _described(type_: Any) -> inspect.Type:
    return inspect.type_info(type_)


def _look(raw: object, wanted: inspect.Type, name: str) -> Iterator[Complaint]:
    looker = LOOKERS.get(type(wanted))
    return looker(raw, wanted, name) if looker else iter(())


def _look_at_ruled(raw: object, wanted: inspect.Metadata, name: str) -> Iterator[Complaint]:
    """A type that says by which of the domain's rules it is read later: what has the right shape is held against it."""
    found = list(_look(raw, wanted.type, name))
    yield from found
    if not found and (rule := (wanted.extra or {}).get("rule")):
        try:
            rule(raw)
        except Invalid as problem:
            yield from ((field, text) for field, texts in problem.fields.items() for text in texts)


def _look_at_union(raw: object, wanted: inspect.UnionType, name: str) -> Iterator[Complaint]:
    if raw is None and wanted.includes_none:
        return
    choices = [choice for choice in wanted.types if not isinstance(choice, inspect.NoneType)]
    structs = {choice.tag: choice for choice in choices if isinstance(choice, inspect.StructType)}
    if len(structs) > 1:
        yield from _look_at_tagged(raw, structs, name)
        return
    each = [list(_look(raw, choice, name)) for choice in choices]
    if all(each):
        yield from each[0]


def _look_at_tagged(
    raw: object, structs: Mapping[str | int | None, inspect.StructType], name: str
) -> Iterator[Complaint]:
    field = next(iter(structs.values())).tag_field
    if not isinstance(raw, dict):
        yield name, NOT_AN_OBJECT
    elif field not in raw:
        yield name, f"Unable to extract tag using discriminator '{field}'"
    elif not isinstance(raw[field], str) or raw[field] not in structs:
        expected = ", ".join(f"'{tag}'" for tag in structs)
        yield (
            name,
            f"Input tag '{raw[field]}' found using '{field}' does not match any of the expected tags: {expected}",
        )
    else:
        yield from _look_at_struct(raw, structs[raw[field]], name)


def _look_at_struct(raw: object, wanted: inspect.StructType, name: str) -> Iterator[Complaint]:
    if not isinstance(raw, dict):
        yield name, NOT_AN_OBJECT
        return
    for field in wanted.fields:
        if field.encode_name in raw:
            yield from _look(raw[field.encode_name], field.type, field.encode_name)
        elif field.required:
            yield field.encode_name, "Field required"


def _look_at_list(raw: object, wanted: inspect.ListType, name: str) -> Iterator[Complaint]:
    if not isinstance(raw, list):
        yield name, "Input should be a valid list"
        return
    if wanted.min_length is not None and len(raw) < wanted.min_length:
        yield name, f"List should have at least {_items(wanted.min_length)} after validation, not {len(raw)}"
    if wanted.max_length is not None and len(raw) > wanted.max_length:
        yield name, f"List should have at most {_items(wanted.max_length)} after validation, not {len(raw)}"
    for item in raw:
        yield from _look(item, wanted.item_type, name)


def _look_at_dict(raw: object, wanted: inspect.DictType, name: str) -> Iterator[Complaint]:
    if not isinstance(raw, dict):
        yield name, "Input should be a valid dictionary"
        return
    for value in raw.values():
        yield from _look(value, wanted.value_type, name)


def _look_at_text(raw: object, wanted: inspect.StrType, name: str) -> Iterator[Complaint]:
    if not isinstance(raw, str):
        yield name, "Input should be a valid string"
        return
    if wanted.min_length is not None and len(raw) < wanted.min_length:
        yield name, f"String should have at least {_characters(wanted.min_length)}"
    if wanted.max_length is not None and len(raw) > wanted.max_length:
        yield name, f"String should have at most {_characters(wanted.max_length)}"
    if _refused(raw, wanted.pattern):
        yield name, f"String should match pattern '{(wanted.pattern or '').replace(NO_LINE_BREAK, '')}'"


def _look_at_integer(raw: object, wanted: inspect.IntType, name: str) -> Iterator[Complaint]:
    number = _lenient(raw, int)
    if number is None:
        yield name, "Input should be a valid integer"
    elif wanted.ge is not None and number < wanted.ge:
        yield name, f"Input should be greater than or equal to {wanted.ge}"
    elif wanted.le is not None and number > wanted.le:
        yield name, f"Input should be less than or equal to {wanted.le}"


def _look_at_boolean(raw: object, _: inspect.BoolType, name: str) -> Iterator[Complaint]:
    if _lenient(raw, bool) is None:
        yield name, "Input should be a valid boolean"


def _look_at_literal(raw: object, wanted: inspect.LiteralType, name: str) -> Iterator[Complaint]:
    if raw not in wanted.values:
        yield name, f"Input should be {_either([repr(value) for value in wanted.values])}"


def _look_at_enum(raw: object, wanted: inspect.EnumType, name: str) -> Iterator[Complaint]:
    values = [member.value for member in wanted.cls]
    if raw not in values:
        yield name, f"Input should be {_either([repr(value) for value in values])}"


LOOKERS: Mapping[type[inspect.Type], Callable[[Any, Any, str], Iterator[Complaint]]] = {
    inspect.Metadata: _look_at_ruled,
    inspect.UnionType: _look_at_union,
    inspect.StructType: _look_at_struct,
    inspect.ListType: _look_at_list,
    inspect.DictType: _look_at_dict,
    inspect.StrType: _look_at_text,
    inspect.IntType: _look_at_integer,
    inspect.BoolType: _look_at_boolean,
    inspect.LiteralType: _look_at_literal,
    inspect.EnumType: _look_at_enum,
}


def _lenient(raw: object, type_: type[T]) -> T | None:
    try:
        return msgspec.convert(raw, type_, strict=False)
    except msgspec.ValidationError:
        return None


def _refused(text: str, pattern: str | None) -> bool:
    return pattern is not None and re.search(pattern, text) is None


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _characters(count: int) -> str:
    return "1 character" if count == 1 else f"{count} characters"
