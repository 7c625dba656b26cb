"""Which part of a list is asked for: the parameters that every list has, each with a default size of its own."""

from typing import Annotated

from litestar.params import QueryParameter
from msgspec import Meta

LARGEST = 2**63 - 1

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="The most things to answer with.")]
Offset = Annotated[int, QueryParameter(ge=0, le=LARGEST, description="How many to leave out at the start.")]
"""Handlers say `limit: Limit = 100, offset: Offset = 0`."""

Id = Annotated[int, Meta(ge=0, le=LARGEST)]
"""A number that a filter compares with."""
