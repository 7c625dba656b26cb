"""The filter of lists by tags, and query parameters under their older names."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

import msgspec
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from msgspec import Struct

from pileus.domain import limits
from pileus.domain.errors import invalid

T = TypeVar("T")
LegacyQuery = Annotated[T, QueryParameter(schema_extra={"deprecated": True})]
"""A query parameter of older clients; the OpenAPI document marks it as deprecated."""


class TagFilter(Struct, frozen=True, kw_only=True):
    """The keys and the pairs of key and value to look for."""

    keys: Sequence[str]
    pairs: Mapping[str, str]


TagFilterParameter = NamedDependency[TagFilter]
"""The parameter of a handler that takes the filter: `tag_filter: TagFilterParameter`."""


def provide_tag_filter(
    tag_key: FromQuery[list[str] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
    metadata_k: LegacyQuery[list[str] | None] = None,
    metadata_kv: LegacyQuery[str | None] = None,
) -> TagFilter:
    """Read the filter from its parameters or, where these are absent, from the older ones. Raises Invalid."""
    pairs = _parse_pairs("tag_key_value", tag_key_value) or _parse_pairs("metadata_kv", metadata_kv)
    return TagFilter(keys=tag_key or metadata_k or (), pairs=pairs)


def _parse_pairs(parameter: str, text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    try:
        pairs = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError:
        raise invalid(**{parameter: "Input should be a JSON object of texts"}) from None
    limits.check_total(parameter, pairs, limits.QUERY_VALUES)
    return pairs
