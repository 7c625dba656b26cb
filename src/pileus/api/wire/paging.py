"""Collections: a page of things, and how many there are in all."""

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Page(Struct, Generic[T], kw_only=True):
    """A page of a collection; `count` is the total before paging."""

    count: int
    results: list[T]
