"""Bring the ids of a request into the form in which they are stored, before anything reads them.

Clients may send ids in upper case, or ids of the catalogue as earlier versions made them. A path parameter, a query
parameter or a field of a body is an id if its name says so; other UUIDs, such as names and tags, stay as they are.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pileus.domain.ids import UUID_TEXT, canonical_id

ID_NAME = re.compile(r"(?:.+_)?ids?")
OTHER_ID_NAMES = {
    "floatings",
    "instance_id_to_attach_to",
    "instances",
    "reserved_fixed_ips",
    "router_id_to_connect",
    "snapshots",
    "volumes",
}
VALUES_PER_STEP = 1000
"""Values of JSON that are looked at in one step: less than a millisecond."""
FREE_FIELDS = {"app_config", "configuration", "field_value", "metadata", "tags", "value"}
"""Fields of bodies whose contents are the client's own."""
VERSION_INDEX, FORMER_VERSION = 14, "5"
"""Where a UUID has its version, and that of the former ids."""
UUID_BYTES = re.compile(UUID_TEXT.pattern.encode())
EMPTY_ID = re.compile(rb"(?:(?<=&)|^)(?:\w+_)?id=(?:&|$)")
OTHER_FORM = rb"(?=[0-9a-f-]{0,35}[A-F]|[0-9a-f-]{14}5)"
OTHER_UUID = re.compile(OTHER_FORM + UUID_BYTES.pattern)
OTHER_UUID_STRING = re.compile(b'"' + OTHER_FORM + UUID_BYTES.pattern + b'"')


def is_id_name(name: str) -> bool:
    """Return whether parameters and fields of this name hold ids."""
    return name in OTHER_ID_NAMES or ID_NAME.fullmatch(name) is not None


def canonical_path_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return path parameters with canonical ids; `params` itself if they are canonical."""
    changes = {
        name: identity
        for name, value in params.items()
        if isinstance(value, str)
        # The ids of nearly all requests are canonical, which this shows in less time than `canonical_id` takes.
        and (value[VERSION_INDEX : VERSION_INDEX + 1] == FORMER_VERSION or value != value.lower())
        and is_id_name(name)
        and (identity := canonical_id(value)) != value
    }
    return params | changes if changes else params


def canonical_query(query: bytes) -> bytes:
    """Return a query string with canonical ids, also in lists that commas separate."""
    if OTHER_UUID.search(query) is None:
        return query
    return b"&".join(_canonical_parameter(parameter) for parameter in query.split(b"&"))


def query_without_empty_ids(query: bytes) -> bytes:
    """Return a query string without empty ids: the older Go SDK sends one for each filter that is not used.

    This is for requests that read. Where a filter says what to change, an empty one must not mean everything.
    """
    return EMPTY_ID.sub(b"", query).lstrip(b"&")


def has_other_ids(body: bytes) -> bool:
    """Return whether a JSON text contains UUIDs in another form than the canonical one."""
    return OTHER_UUID_STRING.search(body) is not None


def canonicalize_json(raw: object) -> Iterator[None]:
    """Make the ids in decoded JSON canonical, in place and in steps, because a body may contain many values.

    The items of a list are ids if the name of the list says so.
    """
    containers, count = [(raw, "")], 0
    while containers:
        container, name = containers.pop()
        for key, value in list_json_values(container):
            field = key if isinstance(key, str) else name
            if isinstance(value, dict | list) and field not in FREE_FIELDS:
                containers.append((value, field))
            elif isinstance(value, str) and is_id_name(field):
                container[key] = canonical_id(value)  # type: ignore[index]  # it has items
            count += 1
            if not count % VALUES_PER_STEP:
                yield


def list_json_values(raw: object) -> Iterable[tuple[str | int, Any]]:
    """Return the values directly in an object or a list, with their keys or positions; none in other values."""
    if isinstance(raw, dict):
        return raw.items()
    return enumerate(raw) if isinstance(raw, list) else ()


def _canonical_parameter(parameter: bytes) -> bytes:
    name, separator, value = parameter.partition(b"=")
    if not is_id_name(name.decode("latin-1")):
        return parameter
    return name + separator + UUID_BYTES.sub(lambda match: canonical_id(match[0].decode()).encode(), value)
