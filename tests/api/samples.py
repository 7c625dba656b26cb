"""Minimal valid values of body types."""

import re
import uuid
from collections.abc import Callable
from typing import Any

from msgspec import inspect

TEXTS = ("abc", str(uuid.UUID(int=0)), "fa:16:3e:00:00:00", "{abc}", "http://127.0.0.1/a")


def minimal_value(type_: Any) -> Any:
    """Return a valid value with only its required fields."""
    return _minimal_value(inspect.type_info(type_))


def _minimal_value(type_info: Any) -> Any:
    return MINIMAL_VALUES[type(type_info)](type_info)


def _minimal_struct(type_info: inspect.StructType) -> dict[str, Any]:
    fields = {field.encode_name: _minimal_value(field.type) for field in type_info.fields if field.required}
    return {type_info.tag_field: type_info.tag, **fields} if type_info.tag_field else fields


def _minimal_text(type_info: inspect.StrType) -> str:
    matching = [text for text in TEXTS if re.search(type_info.pattern or "", text)]
    return matching[0] if matching else "a" * (type_info.min_length or 1)


MINIMAL_VALUES: dict[type[inspect.Type], Callable[[Any], Any]] = {
    inspect.Metadata: lambda type_info: _minimal_value(type_info.type),
    inspect.UnionType: lambda type_info: _minimal_value(type_info.types[0]),
    inspect.StructType: _minimal_struct,
    inspect.ListType: lambda type_info: [_minimal_value(type_info.item_type) for _ in range(type_info.min_length or 0)],
    inspect.StrType: _minimal_text,
    inspect.IntType: lambda type_info: max(type_info.ge or 1, 1),
    inspect.FloatType: lambda _: 1.0,
    inspect.LiteralType: lambda type_info: type_info.values[0],
    inspect.EnumType: lambda type_info: next(iter(type_info.cls)).value,
    inspect.BoolType: lambda _: True,
    inspect.DictType: lambda _: {},
    inspect.NoneType: lambda _: None,
}
