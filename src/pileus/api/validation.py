"""Bodies read: at once where they are right; where not, field by field, so that every mistake is told.

The fast path is msgspec's, which stops at the first mistake. Only after it has failed is the body gone over again, and
each complaint worded as the public API words it. NUL characters are refused, as not every database keeps them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Any, TypeVar, overload

import msgspec

from pileus.api.validation_errors import WHOLE, Complaints, find_errors
from pileus.domain.errors import Invalid

T = TypeVar("T")

NUL = "String should not contain NUL characters"
WORDS: Mapping[str, str] = {
    r"Expected `int( \| null)?`, got": "Input should be a valid integer",
    r"Expected `bool( \| null)?`, got": "Input should be a valid boolean",
    r"Expected `str( \| null)?`, got": "Input should be a valid string",
    r"Expected `array( \| null)?`, got": "Input should be a valid list",
    r"Expected `int` >= (-?\d+)": r"Input should be greater than or equal to \1",
    r"Expected `int` <= (-?\d+)": r"Input should be less than or equal to \1",
    r"Expected `int` > (-?\d+)": r"Input should be greater than \1",
    r"Expected `str` of length >= (\d+)": r"String should have at least \1 characters",
    r"Expected `str` of length <= (\d+)": r"String should have at most \1 characters",
    r"Expected `str` matching regex '(.*)'": r"String should match pattern '\1'",
    r"Invalid enum value '(.*)'": r"Input should be one of the listed values, not '\1'",
}
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


@overload
def decode_body(body: bytes, type_: type[T], *, default: T | None = None) -> T: ...
@overload
def decode_body(body: bytes, type_: UnionType, *, default: Any = None) -> Any: ...
def decode_body(body: bytes, type_: Any, *, default: Any = None) -> Any:
    """Read a body as `type_`; an empty one is `default`, if there is one. Raises Invalid."""
    if not body and default is not None:
        return default
    try:
        # A NUL can stand in JSON only in this spelling, so bodies without it need no closer look.
        if b"\\u0000" in body:
            _refuse_nul(msgspec.json.decode(body))
        return _decoder(type_).decode(body)
    except msgspec.ValidationError as error:
        raise invalid_body(_raw(body), type_, str(error)) from None
    except UNREADABLE as error:
        raise _unreadable(error) from None


@overload
def convert_body(raw: object, type_: type[T]) -> T: ...
@overload
def convert_body(raw: object, type_: UnionType) -> Any: ...
def convert_body(raw: object, type_: Any) -> Any:
    """Turn JSON that was read before into `type_`. Raises Invalid."""
    try:
        return msgspec.convert(raw, type_, strict=False)
    except msgspec.ValidationError as error:
        raise invalid_body(raw, type_, str(error)) from None


def invalid_body(raw: object, type_: Any, otherwise: str = "Input is not valid") -> Invalid:
    """Complain about all that is wrong with `raw`; `otherwise` is said where no field is to blame."""
    return _invalid(find_errors(raw, type_) or {WHOLE: [otherwise]})


def parameter_errors(failures: Sequence[Mapping[str, Any]]) -> Complaints:
    """Word what the framework says about parameters (`key`, `message`) as the public API would."""
    found: Complaints = {}
    for failure in failures:
        name, text = str(failure.get("key", "parameters")), str(failure.get("message", ""))
        # The framework complains of what it did not look for in these words: the body, and parameters of the path
        # that the handler does not ask for.
        missed = text == repr(name)
        if name == "data" and missed:
            found[WHOLE] = ["Field required"]
        elif not missed:
            found.setdefault(name, []).append(_worded(text))
    return found


def _worded(message: str) -> str:
    for pattern, text in WORDS.items():
        if match := re.match(pattern, message):
            return match.expand(text)
    return message


def _invalid(found: Complaints) -> Invalid:
    return Invalid(f"Validation Error: {found}", found)


def _unreadable(error: Exception) -> Invalid:
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return _invalid({WHOLE: [f"JSON decode error: {reason}"]})


def _raw(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except UNREADABLE as error:
        raise _unreadable(error) from None


def _refuse_nul(raw: object) -> None:
    found = {name: [NUL] for name in _names_of_nul(raw, WHOLE)}
    if found:
        raise _invalid(found)


def _names_of_nul(raw: object, name: str) -> Iterator[str]:
    if isinstance(raw, str) and "\0" in raw:
        yield name
    elif isinstance(raw, list):
        for item in raw:
            yield from _names_of_nul(item, name)
    elif isinstance(raw, dict):
        for key, value in raw.items():
            yield from _names_of_nul(key, name)
            yield from _names_of_nul(value, key)


@cache
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_, strict=False)
