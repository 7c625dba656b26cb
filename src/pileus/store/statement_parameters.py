"""The `:name` parameters of statements: found for both databases, and replaced by positions for SQLite.

A text literal must not contain a colon in front of a name: it would be taken for a parameter. Pass such a text as a
value.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any

PARAMETER = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
Order = Callable[[Mapping[str, Any]], tuple[Any, ...]]
"""Returns the values of a statement in the order of its positions."""


@lru_cache(maxsize=4096)
def number_parameters(sql: str) -> tuple[str, Order]:
    """Replace each `:name` by `?`: to look for names takes SQLite's module longer than to use their values."""
    names = PARAMETER.findall(sql)
    return PARAMETER.sub("?", sql), _order_of(names)


def _order_of(names: list[str]) -> Order:
    if len(names) > 1:
        return itemgetter(*names)
    if not names:
        return lambda _: ()
    # Of a single name, `itemgetter` returns no tuple.
    (name,) = names
    return lambda values: (values[name],)
