"""The least that a type of a request's body takes."""

import re
import uuid
from collections.abc import Callable
from typing import Any

from msgspec import inspect

TEXTS = ("abc", str(uuid.UUID(int=0)), "fa:16:3e:00:00:00", "{abc}", "http://127.0.0.1/a")


def sample(type_: Any) -> Any:
    """A value that is taken, with nothing in it that may be left out."""
    return _sample(inspect.type_info(type_))


def _sample(wanted: Any) -> Any:
    return SAMPLES[type(wanted)](wanted)


def _sample_struct(wanted: inspect.StructType) -> dict[str, Any]:
    fields = {field.encode_name: _sample(field.type) for field in wanted.fields if field.required}
    return {wanted.tag_field: wanted.tag, **fields} if wanted.tag_field else fields


def _sample_text(wanted: inspect.StrType) -> str:
    fitting = [text for text in TEXTS if re.search(wanted.pattern or "", text)]
    return fitting[0] if fitting else "a" * (wanted.min_length or 1)


SAMPLES: dict[type[inspect.Type], Callable[[Any], Any]] = {
    inspect.Metadata: lambda wanted: _sample(wanted.type),
    inspect.UnionType: lambda wanted: _sample(wanted.types[0]),
    inspect.StructType: _sample_struct,
    inspect.ListType: lambda wanted: [_sample(wanted.item_type) for _ in range(wanted.min_length or 0)],
    inspect.StrType: _sample_text,
    inspect.IntType: lambda wanted: max(wanted.ge or 1, 1),
    inspect.LiteralType: lambda wanted: wanted.values[0],
    inspect.EnumType: lambda wanted: next(iter(wanted.cls)).value,
    inspect.BoolType: lambda _: True,
    inspect.DictType: lambda _: {},
    inspect.NoneType: lambda _: None,
}
