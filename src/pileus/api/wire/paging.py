"""Pages of collections."""

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Page(Struct, Generic[T], kw_only=True):
    """A page of a collection. `count` is the size of the whole collection."""

    count: int
    results: list[T]
