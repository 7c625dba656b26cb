"""The parameters that page a list. Each list has its own default limit."""

from typing import Annotated

from litestar.params import QueryParameter
from msgspec import Meta

LARGEST = 2**63 - 1
LARGEST_LIMIT = 1000

Limit = Annotated[int, QueryParameter(ge=1, le=LARGEST_LIMIT, description="The maximum number of items to return.")]
Offset = Annotated[int, QueryParameter(ge=0, le=LARGEST, description="The number of items to skip.")]
"""Parameters of a handler: `limit: Limit = 100, offset: Offset = 0`."""

Id = Annotated[int, Meta(ge=0, le=LARGEST)]
"""A number in a filter."""
