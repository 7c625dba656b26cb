"""Errors in the terms of the domain; `api/errors.py` maps each to an HTTP status.

Problem
├── Invalid            the request's content is invalid: `fields` maps a field to its errors
├── Unauthenticated    no usable credentials
├── Forbidden          the role does not allow it
├── NoCapacity         no host or address range has capacity now
├── NotFound           the resource does not exist, or belongs to another tenant
├── Conflict           it exists already, is in use, is locked or is in the wrong state
│   ├── Locked         a task has locked it
│   └── Stale          another request changed the record: load it again and decide again
├── QuotaExceeded      a quota of the tenant is exceeded: `info` has the quota, the usage and the limit
│   └── QuotasExceeded a new instance exceeds quotas: `info` has a list of all of them
├── BodyTooLarge       the request's body is over the limit
├── TooManyRequests    wait before the next attempt: `retry_after` is the time in seconds
├── NotOffered         the public API has the operation, but this server does not offer it
└── Unavailable        a part of the server cannot answer now
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict

FieldErrors = Mapping[str, Any]
"""The texts of errors by field; for a field with errors inside, these by the name or position in it."""


class Problem(Exception):
    """An error that the caller is informed of; `facts` become `info` in the response.

    `retry_after` is the time in seconds until the same request may succeed, if a caller should wait for it.
    """

    retry_after: float | None = None

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

    @property
    def info(self) -> object:
        """Return `info` of the response; it is left out if it is empty."""
        return self.facts


class Invalid(Problem):
    """The request's content is invalid. Use `invalid` or `field_errors` to name the fields."""

    def __init__(self, message: str, fields: FieldErrors | None = None) -> None:
        super().__init__(message)
        self.fields: FieldErrors = fields or {}


class Unauthenticated(Problem):
    """No usable credentials; `code` is the API's code for the reason."""

    def __init__(self, message: str, code: str = "not_authenticated") -> None:
        super().__init__(message)
        self.code = code


class Forbidden(Problem):
    """The caller's role does not allow this."""


class NoCapacity(Problem):
    """No host or address range has capacity now."""


class NotFound(Problem):
    """The resource does not exist or belongs to another tenant. The response is the same for both."""


class Conflict(Problem):
    """It exists already, is in use, is locked or is in the wrong state."""


class Locked(Conflict):
    """A task has locked the record."""

    def __init__(self, message: str, *, resource_id: str | int, task_id: str) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.task_id = task_id


class Stale(Conflict):
    """Another request changed the same record. The database layer runs the transaction again."""


class ExceededQuota(TypedDict):
    """The facts of an exceeded quota; `requested_usage` is the new total."""

    attribute: str
    current_usage: int
    requested_usage: int
    limit: int


class QuotaExceeded(Problem):
    """A quota of the tenant is exceeded; the response names the first one of `exceeded_quotas`."""

    def __init__(self, exceeded_quotas: Sequence[ExceededQuota]) -> None:
        super().__init__(_quota_text(exceeded_quotas[0]), **exceeded_quotas[0])
        self.exceeded_quotas = list(exceeded_quotas)


class QuotasExceeded(QuotaExceeded):
    """A new instance exceeds quotas of the tenant; the response names all of them."""

    def __init__(self, exceeded_quotas: Sequence[ExceededQuota]) -> None:
        super().__init__(exceeded_quotas)
        self.message = "; ".join(_quota_text(quota) for quota in exceeded_quotas)

    @property
    def info(self) -> object:
        """Return the facts of each exceeded quota."""
        return self.exceeded_quotas


class BodyTooLarge(Problem):
    """The request's body is over the limit."""


class TooManyRequests(Problem):
    """The caller has to wait for `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotOffered(Problem):
    """The public API has the operation, but this server does not offer it."""


class Unavailable(Problem):
    """A part of the server cannot answer now; the caller may try again."""

    retry_after = 1.0


class RegionElsewhere(Unavailable):
    """Another server has the machines of the region; the request is forwarded to it, if it answers."""

    def __init__(self, region_id: int | None) -> None:
        super().__init__(f"Another server has the machines of region {region_id}")
        self.region_id = region_id


class InOtherCell(Unavailable):
    """Servers of other cells answer the request; it is forwarded to them, if they answer."""

    def __init__(self, cells: tuple[int, ...]) -> None:
        super().__init__(f"Servers of other cells answer this: {', '.join(map(str, cells))}")
        self.cells = cells


class OutcomeUnknown(Problem):
    """Another server has not answered, and may have carried out the request: it must not be repeated unseen."""


def invalid(**fields: str) -> Invalid:
    """Return the error for invalid fields, one text each, in the public API's format."""
    return field_errors({name: [text] for name, text in fields.items()})


def field_errors(errors: FieldErrors) -> Invalid:
    """Return the error for invalid fields, in the public API's format."""
    return Invalid(f"Validation Error: {errors}", errors)


@contextmanager
def nest_field_errors(*path: str | int) -> Iterator[None]:
    """Put the fields of an Invalid under the path of the object or list item that contains them."""
    try:
        yield
    except Invalid as problem:
        if not problem.fields:
            raise
        errors: FieldErrors = problem.fields
        for name in reversed(path):
            errors = {str(name): errors}
        raise field_errors(errors) from problem


def not_found(noun: str, record_id: object) -> NotFound:
    """Return the error for a missing resource, in the public API's format."""
    return NotFound(f"{noun} {record_id} could not be found")


def _quota_text(quota: ExceededQuota) -> str:
    return f"Quota limit for {quota['attribute']} exceeded by {quota['requested_usage'] - quota['limit']}"
