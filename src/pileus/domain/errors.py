"""What can go wrong, in the business's words; `api/errors.py` dresses each for HTTP.

Problem
├── Invalid            the request's content is wrong: `fields` maps a field to its complaints
├── Unauthenticated    no usable credentials
├── Forbidden          the role does not allow it
├── NoCapacity         nothing has room for it now
├── NotFound           no such thing, or not yours
├── Conflict           it exists already, is in use, is locked or in the wrong state
│   └── Stale          somebody else changed the record meanwhile: load it again and decide again
├── QuotaExceeded      more than the tenant may have: `info` says which, how much and the limit
├── TooLarge           the request's body is over the limit
└── Unavailable        a part of the server cannot answer now
"""

from collections.abc import Mapping, Sequence
from typing import Any


class Problem(Exception):
    """Anything that a caller is told about; `facts` are shown as the answer's `info`."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class Invalid(Problem):
    """The request's content is wrong; build with `invalid` to name fields."""

    def __init__(self, message: str, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(message)
        self.fields = {name: list(texts) for name, texts in (fields or {}).items()}


class Unauthenticated(Problem):
    """No usable credentials; `code` is one of the API's words for why."""

    def __init__(self, message: str, code: str = "not_authenticated") -> None:
        super().__init__(message)
        self.code = code


class Forbidden(Problem):
    """The caller's role does not allow this."""


class NoCapacity(Problem):
    """Nothing has room for it now."""


class NotFound(Problem):
    """No such thing, or it is not the caller's: the two are told alike."""


class Conflict(Problem):
    """It exists already, is in use, is locked or is in the wrong state."""


class Stale(Conflict):
    """Another request changed the same record meanwhile; the database layer decides again."""


class QuotaExceeded(Problem):
    """More than the tenant may have."""


class TooLarge(Problem):
    """The request's body is over the limit."""


class Unavailable(Problem):
    """A part of the server cannot answer now; the caller may try again."""


def invalid(**fields: str) -> Invalid:
    """Complain about fields, one text each, worded as the public API words it."""
    complaints = {name: [text] for name, text in fields.items()}
    return Invalid(f"Validation Error: {complaints}", complaints)


def not_found(noun: str, identity: object) -> NotFound:
    """Say that `identity` is not there, in the public API's words."""
    return NotFound(f"{noun} {identity} could not be found")
