"""Find all errors of a JSON value against a type, by their paths, with the texts of the public API.

A value has either errors of its own or errors inside, so that the paths of errors make a tree.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from pileus.domain.errors import FieldErrors, Invalid

T = TypeVar("T")
Path = tuple[str, ...]
FieldError = tuple[Path, str]

BODY = "body"
MAX_PATH_LENGTH = 16
"""Longer paths are cut: only values that no type describes are nested so deeply."""
# In patterns, because Python's `$` also matches before a final line break. Left out of error texts.
NO_LINE_BREAK = r"(?!\n)"
NOT_AN_OBJECT = "Input should be a valid dictionary or object to extract fields from"


def find_field_errors(raw: object, type_: Any) -> FieldErrors:
    """Return the errors as a tree: by field, and by position in a list."""
    return nested_by_path(_value_errors(raw, _type_info(type_), ()))


def nested_by_path(errors: Iterable[FieldError]) -> FieldErrors:
    """Make the tree of errors; an error of the whole value is one of BODY."""
    tree: dict[str, Any] = {}
    for path, text in errors:
        *parents, name = path[:MAX_PATH_LENGTH] or (BODY,)
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        texts = branch.setdefault(name, [])
        if text not in texts:
            texts.append(text)
    return tree


@cache
def _type_info(type_: Any) -> inspect.Type:
    return inspect.type_info(type_)


def _value_errors(raw: object, type_info: inspect.Type, path: Path) -> Iterator[FieldError]:
    check = CHECKS.get(type(type_info))
    return check(raw, type_info, path) if check else iter(())


def _metadata_errors(raw: object, type_info: inspect.Metadata, path: Path) -> Iterator[FieldError]:
    """Find the errors of an annotated type. If it has a rule of the domain, valid values are checked by the rule."""
    errors = list(_value_errors(raw, type_info.type, path))
    yield from errors
    if not errors and (rule := (type_info.extra or {}).get("rule")):
        try:
            rule(raw)
        except Invalid as problem:
            yield from _rule_errors(problem.fields, path)


def _rule_errors(errors: FieldErrors, path: Path) -> Iterator[FieldError]:
    for name, texts in errors.items():
        yield from ((path or (name,), text) for text in texts)


def _union_errors(raw: object, type_info: inspect.UnionType, path: Path) -> Iterator[FieldError]:
    if raw is None and type_info.includes_none:
        return
    choices = [choice for choice in type_info.types if not isinstance(choice, inspect.NoneType)]
    structs = {choice.tag: choice for choice in choices if isinstance(choice, inspect.StructType)}
    if len(structs) > 1:
        yield from _tagged_union_errors(raw, structs, path)
        return
    errors_by_choice = [list(_value_errors(raw, choice, path)) for choice in choices]
    if all(errors_by_choice):
        yield from errors_by_choice[0]


def _tagged_union_errors(
    raw: object, structs: Mapping[str | int | None, inspect.StructType], path: Path
) -> Iterator[FieldError]:
    field = next(iter(structs.values())).tag_field
    if not isinstance(raw, dict):
        yield path, NOT_AN_OBJECT
    elif field not in raw:
        yield path, f"Unable to extract tag using discriminator '{field}'"
    elif not isinstance(raw[field], str) or raw[field] not in structs:
        expected = ", ".join(f"'{tag}'" for tag in structs)
        yield (
            path,
            f"Input tag '{raw[field]}' found using '{field}' does not match any of the expected tags: {expected}",
        )
    else:
        yield from _struct_errors(raw, structs[raw[field]], path)


def _struct_errors(raw: object, type_info: inspect.StructType, path: Path) -> Iterator[FieldError]:
    if not isinstance(raw, dict):
        yield path, NOT_AN_OBJECT
        return
    for field in type_info.fields:
        if field.encode_name in raw:
            yield from _value_errors(raw[field.encode_name], field.type, (*path, field.encode_name))
        elif field.required:
            yield (*path, field.encode_name), "Field required"


def _list_errors(raw: object, type_info: inspect.ListType, path: Path) -> Iterator[FieldError]:
    if not isinstance(raw, list):
        yield path, "Input should be a valid list"
        return
    if type_info.min_length is not None and len(raw) < type_info.min_length:
        yield path, f"List should have at least {_item_count(type_info.min_length)} after validation, not {len(raw)}"
    elif type_info.max_length is not None and len(raw) > type_info.max_length:
        yield path, f"List should have at most {_item_count(type_info.max_length)} after validation, not {len(raw)}"
    else:
        for position, item in enumerate(raw):
            yield from _value_errors(item, type_info.item_type, (*path, str(position)))


def _dict_errors(raw: object, type_info: inspect.DictType, path: Path) -> Iterator[FieldError]:
    if not isinstance(raw, dict):
        yield path, "Input should be a valid dictionary"
        return
    if type_info.max_length is not None and len(raw) > type_info.max_length:
        limit = _item_count(type_info.max_length)
        yield path, f"Dictionary should have at most {limit} after validation, not {len(raw)}"
        return
    for key, value in raw.items():
        yield from _value_errors(value, type_info.value_type, (*path, key))


def _string_errors(raw: object, type_info: inspect.StrType, path: Path) -> Iterator[FieldError]:
    if not isinstance(raw, str):
        yield path, "Input should be a valid string"
        return
    if type_info.min_length is not None and len(raw) < type_info.min_length:
        yield path, f"String should have at least {_character_count(type_info.min_length)}"
    if type_info.max_length is not None and len(raw) > type_info.max_length:
        yield path, f"String should have at most {_character_count(type_info.max_length)}"
    if _violates_pattern(raw, type_info.pattern):
        yield path, f"String should match pattern '{(type_info.pattern or '').replace(NO_LINE_BREAK, '')}'"


def _integer_errors(raw: object, type_info: inspect.IntType, path: Path) -> Iterator[FieldError]:
    number = _convert_or_none(raw, int)
    yield from [(path, "Input should be a valid integer")] if number is None else _bound_errors(number, type_info, path)


def _float_errors(raw: object, type_info: inspect.FloatType, path: Path) -> Iterator[FieldError]:
    number = _convert_or_none(raw, float)
    yield from [(path, "Input should be a valid number")] if number is None else _bound_errors(number, type_info, path)


def _bound_errors(number: float, type_info: inspect.IntType | inspect.FloatType, path: Path) -> Iterator[FieldError]:
    bounds = (
        (type_info.ge, operator.ge, "greater than or equal to"),
        (type_info.gt, operator.gt, "greater than"),
        (type_info.le, operator.le, "less than or equal to"),
        (type_info.lt, operator.lt, "less than"),
    )
    for limit, is_within, words in bounds:
        if limit is not None and not is_within(number, limit):
            yield path, f"Input should be {words} {int(limit) if limit == int(limit) else limit}"
            return


def _boolean_errors(raw: object, _: inspect.BoolType, path: Path) -> Iterator[FieldError]:
    if _convert_or_none(raw, bool) is None:
        yield path, "Input should be a valid boolean"


def _literal_errors(raw: object, type_info: inspect.LiteralType, path: Path) -> Iterator[FieldError]:
    if raw not in type_info.values:
        yield path, f"Input should be {_join_or([repr(value) for value in type_info.values])}"


def _enum_errors(raw: object, type_info: inspect.EnumType, path: Path) -> Iterator[FieldError]:
    values = [member.value for member in type_info.cls]
    if raw not in values:
        yield path, f"Input should be {_join_or([repr(value) for value in values])}"


CHECKS: Mapping[type[inspect.Type], Callable[[Any, Any, Path], Iterator[FieldError]]] = {
    inspect.Metadata: _metadata_errors,
    inspect.UnionType: _union_errors,
    inspect.StructType: _struct_errors,
    inspect.ListType: _list_errors,
    inspect.DictType: _dict_errors,
    inspect.StrType: _string_errors,
    inspect.IntType: _integer_errors,
    inspect.FloatType: _float_errors,
    inspect.BoolType: _boolean_errors,
    inspect.LiteralType: _literal_errors,
    inspect.EnumType: _enum_errors,
}


def _convert_or_none(raw: object, type_: type[T]) -> T | None:
    try:
        return msgspec.convert(raw, type_, strict=False)
    except msgspec.ValidationError:
        return None


def _violates_pattern(text: str, pattern: str | None) -> bool:
    return pattern is not None and re.search(pattern, text) is None


def _join_or(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _item_count(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _character_count(count: int) -> str:
    return "1 character" if count == 1 else f"{count} characters"
