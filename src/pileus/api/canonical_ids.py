"""Bring the ids of a request into the form in which they are stored, before anything reads them.

Clients may send ids in upper case, or ids of the catalogue as earlier versions made them. A path parameter, a query
parameter or a field of a body is an id if its name says so; other UUIDs, such as names and tags, stay as they are.
"""

import re
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
FREE_FIELDS = {"app_config", "configuration", "field_value", "metadata", "tags", "value"}
"""Fields of bodies whose contents are the client's own."""
CANONICAL = re.compile(r"[0-9a-f-]{14}[^5][0-9a-f-]{21}")
"""Matches the ids of nearly all requests, in less time than it takes to look for others."""
UUID_BYTES = re.compile(UUID_TEXT.pattern.encode())
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
        and CANONICAL.fullmatch(value) is None
        and is_id_name(name)
        and (identity := canonical_id(value)) != value
    }
    return params | changes if changes else params


def canonical_query(query: bytes) -> bytes:
    """Return a query string with canonical ids, also in lists that commas separate."""
    if OTHER_UUID.search(query) is None:
        return query
    return b"&".join(_canonical_parameter(parameter) for parameter in query.split(b"&"))


def has_other_ids(body: bytes) -> bool:
    """Return whether a JSON text contains UUIDs in another form than the canonical one."""
    return OTHER_UUID_STRING.search(body) is not None


def canonical_json(raw: Any, name: str = "") -> Any:
    """Return decoded JSON with canonical ids. `name` is the name of the field that contains it."""
    if isinstance(raw, dict):
        return {key: value if key in FREE_FIELDS else canonical_json(value, key) for key, value in raw.items()}
    if isinstance(raw, list):
        return [canonical_json(item, name) for item in raw]
    return canonical_id(raw) if isinstance(raw, str) and is_id_name(name) else raw


def _canonical_parameter(parameter: bytes) -> bytes:
    name, separator, value = parameter.partition(b"=")
    if not is_id_name(name.decode("latin-1")):
        return parameter
    return name + separator + UUID_BYTES.sub(lambda match: canonical_id(match[0].decode()).encode(), value)
