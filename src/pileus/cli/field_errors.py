"""Errors of the fields of a request as text: `interfaces[0].type: …`."""

from collections.abc import Iterator, Mapping
from typing import Any


def describe_field_errors(fields: Mapping[str, Any]) -> str:
    """Return all errors in one line, each with the path of its field."""
    return "; ".join(f"{path}: {', '.join(texts)}" for path, texts in _list_errors(fields, ""))


def _list_errors(errors: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the paths of fields with their errors. Items of lists are under their numbers, as texts."""
    if isinstance(errors, Mapping):
        for name, inner in errors.items():
            yield from _list_errors(inner, _join(path, str(name)))
    elif isinstance(errors, list):
        if texts := [str(error) for error in errors if not isinstance(error, Mapping)]:
            yield path, texts
        for error in errors:
            if isinstance(error, Mapping):
                yield from _list_errors(error, path)
    else:
        yield path, [str(errors)]


def _join(path: str, name: str) -> str:
    if path and name.isdecimal():
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name
