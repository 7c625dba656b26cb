"""Decode bodies, and report all errors of an invalid one.

The fast path is msgspec's, which stops at the first error. Only after it has failed, the body is checked again field by
field, with the error texts of the public API. NUL characters are rejected, because not every database stores them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_origin, overload

import msgspec

from pileus.api.canonical_ids import VALUES_PER_STEP, canonicalize_json, has_other_ids, list_json_values
from pileus.api.validation_errors import (
    BODY,
    MAX_PATH_LENGTH,
    FieldError,
    Path,
    find_field_errors,
    nested_by_path,
)
from pileus.domain import limits
from pileus.domain.errors import FieldErrors, Invalid, field_errors
from pileus.store.loop_turns import take_turn

T = TypeVar("T")

EMPTY_BODY = "Validation Error: Invalid JSON: EOF while parsing a value at line 1 column 0"
NUL = "String should not contain NUL characters"
MOST_NUL_ERRORS = 100
"""Values with NUL characters that an answer names."""
LARGE_BODY = 32 << 10
"""Bytes: larger bodies are decoded in turns."""
ERROR_TEXTS: Mapping[str, str] = {
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
DECODE_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError)


@overload
def decode_body(body: bytes, type_: type[T], *, default: T | None = None) -> T: ...
@overload
def decode_body(body: bytes, type_: UnionType, *, default: Any = None) -> Any: ...
def decode_body(body: bytes, type_: Any, *, default: Any = None) -> Any:
    """Decode a body as `type_`; an empty body is `default`, if given. Raises Invalid."""
    if not body:
        if default is None:
            raise Invalid(EMPTY_BODY)
        return default
    if _needs_check(body, type_):
        raw = _decode_untyped(body)
        for _ in _check_and_canonicalize(raw, type_):
            pass
        body = msgspec.json.encode(raw)
    return _decode(body, type_)


async def decode_body_in_turns(body: bytes, type_: Any) -> Any:
    """Decode a body like `decode_body`; a large one in turns, so that others do not wait. Raises Invalid."""
    if len(body) <= LARGE_BODY:
        return decode_body(body, type_)
    await take_turn()
    if body.count(b"[") + body.count(b"{") > limits.BODY_CONTAINERS.value:
        raise Invalid(f"A body has at most {limits.BODY_CONTAINERS.value} objects and lists")
    if _needs_check(body, type_):
        raw = _decode_untyped(body)
        for _ in _check_and_canonicalize(raw, type_):
            await take_turn()
        body = msgspec.json.encode(raw)
    return _decode(body, type_)


def _needs_check(body: bytes, type_: Any) -> bool:
    """Return whether the body may contain NUL, which JSON contains only in this spelling, or ids in another form."""
    return b"\\u0000" in body or (get_origin(type_) is not dict and has_other_ids(body))


def _check_and_canonicalize(raw: object, type_: Any) -> Iterator[None]:
    yield from _check_no_nul(raw)
    # The keys of a mapping are the client's own, such as those of tags.
    if get_origin(type_) is not dict:
        yield from canonicalize_json(raw)


def _decode(body: bytes, type_: Any) -> Any:
    try:
        return _decoder(type_).decode(body)
    except msgspec.ValidationError as error:
        raise body_validation_problem(_decode_untyped(body), type_, str(error)) from None
    except DECODE_ERRORS as error:
        raise _invalid_json(error) from None


@overload
async def convert_body(raw: object, type_: type[T]) -> T: ...
@overload
async def convert_body(raw: object, type_: UnionType) -> Any: ...
async def convert_body(raw: object, type_: Any) -> Any:
    """Convert decoded JSON to `type_`; makes its ids canonical in place. Raises Invalid."""
    try:
        for _ in canonicalize_json(raw):
            await take_turn()
        return msgspec.convert(raw, type_, strict=False)
    except msgspec.ValidationError as error:
        raise body_validation_problem(raw, type_, str(error)) from None
    except RecursionError as error:
        raise _invalid_json(error) from None


def body_validation_problem(raw: object, type_: Any, fallback_text: str = "Input is not valid") -> Invalid:
    """Make the problem with all errors of `raw`; `fallback_text` is the text if no field has an error."""
    return field_errors(find_field_errors(raw, type_) or {BODY: [fallback_text]})


def is_body_missing(failures: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the framework's errors include that a required body is empty."""
    return any(failure.get("key") == "data" and _is_missing(failure) for failure in failures)


def translate_parameter_errors(failures: Sequence[Mapping[str, Any]]) -> FieldErrors:
    """Translate the framework's errors of parameters (`key`, `message`) to the texts of the public API."""
    errors: dict[str, list[str]] = {}
    for failure in failures:
        if not _is_missing(failure):
            name, text = str(failure.get("key", "parameters")), str(failure.get("message", ""))
            errors.setdefault(name, []).append(_translate(text))
    return errors


def _is_missing(failure: Mapping[str, Any]) -> bool:
    # The framework reports a missing body, and path parameters that the handler does not take, with this text.
    return failure.get("message") == repr(failure.get("key"))


def _translate(message: str) -> str:
    for pattern, text in ERROR_TEXTS.items():
        if match := re.match(pattern, message):
            return match.expand(text)
    return message


def _invalid_json(error: Exception) -> Invalid:
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return field_errors({BODY: [f"JSON decode error: {reason}"]})


def _decode_untyped(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except DECODE_ERRORS as error:
        raise _invalid_json(error) from None


def _check_no_nul(raw: object) -> Iterator[None]:
    errors: list[FieldError] = []
    for error in _find_nul(raw):
        if error is None:
            yield
        elif len(errors) < MOST_NUL_ERRORS:
            errors.append(error)
    if errors:
        raise field_errors(nested_by_path(errors))


def _find_nul(raw: object) -> Iterator[FieldError | None]:
    """Yield the errors of values with NUL characters, and None after each step."""
    containers: list[tuple[Any, Path]] = [([raw], ())]
    count = 0
    while containers:
        container, path = containers.pop()
        for key, value in list_json_values(container):
            value_path = (*path[: MAX_PATH_LENGTH + 1], str(key))
            if _has_nul(value):
                # The first part of a path is the list that has been put around the whole value.
                yield value_path[1:], NUL
            elif isinstance(value, dict | list):
                containers.append((value, value_path))
            count += 1
            if not count % VALUES_PER_STEP:
                yield None


def _has_nul(value: object) -> bool:
    if isinstance(value, dict):
        return "\0" in "".join(value)
    return isinstance(value, str) and "\0" in value


@cache
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_, strict=False)
