"""Exchanges of the request log: how they are shown, and how they are selected."""

import re
from typing import Any, Literal

from msgspec import Struct

from pileus.domain.errors import invalid

STATUS_PATTERN = r"^(?:(?:>=|<=|>|<)?[1-5][0-9]{2}|[1-5]xx)$"
STATUS_TEXT = re.compile(r"(>=|<=|>|<|)([1-5][0-9]{2})")
UnreadPlace = Literal["body", "query"]
POSITION_TEXT = re.compile(r"(?:[0-9a-f]{8}:[0-9]{1,18}(?:,|$))*")


class RequestClientView(Struct, frozen=True, kw_only=True):
    """Who sent a request: the address, the program, and the tenant and user of the key or login."""

    address: str | None
    user_agent: str | None
    client_id: int | None
    user_id: int | None


class BodyView(Struct, frozen=True, kw_only=True):
    """The body of a request or an answer, without its secrets.

    `content` is decoded JSON, or a text: the begin of a body that is longer than 64 KiB, or a body that is no JSON. It
    is null if there is no body, if the server did not read it, if it is longer than 1 MiB, or if it is no JSON and may
    hold secrets. `is_complete` is whether `content` is the whole body, and `size` the number of bytes.
    """

    size: int
    content: Any
    is_complete: bool


class UnreadView(Struct, frozen=True, kw_only=True):
    """A field or a query parameter that was sent and that nothing has read.

    `kind` is `published` if the operation of the public API has it, `other_type` if the operation reads it in objects
    of another type, and else `unknown`.
    """

    name: str
    place: UnreadPlace
    kind: Literal["published", "other_type", "unknown"]
    hint: str


class ExchangeView(Struct, frozen=True, kw_only=True):
    """A request and its answer.

    `operation` is the operation as the API reference names it, or null for an unknown path or method. `status` is null
    if the client got no answer. `unread_fields` and `unread_parameters` were sent, and the operation does not have
    them: fields of the body by their paths, such as `volumes.0.naem`, and query parameters. `unread` describes both.
    """

    request_id: str
    started_at: str
    milliseconds: float
    method: str
    path: str
    query: str
    operation: str | None
    project_id: int | None
    status: int | None
    client: RequestClientView
    unread_fields: list[str]
    unread_parameters: list[str]
    unread: list[UnreadView]
    request_body: BodyView
    response_body: BodyView

    def contains(self, text: str) -> bool:
        """Return whether a text is in the path, the query, the program, or one of the bodies, in any case."""
        parts = (self.path, self.query, self.client.user_agent, self.request_body.content, self.response_body.content)
        return any(_contains(part, text.casefold()) for part in parts)


class ExchangesView(Struct, frozen=True, kw_only=True):
    """The last exchanges, the newest last. `count` is the number of all that were selected.

    A later request gets what follows with `after` and the `position`, and so does a stream with `Last-Event-ID`.
    """

    count: int
    position: str
    results: list[ExchangeView]


class ExchangeFilter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What selects exchanges; None selects all. `since` is in microseconds; `client_id` is the caller's tenant."""

    request_id: str | None = None
    operation: str | None = None
    method: str | None = None
    path: str | None = None
    status: str | None = None
    project_id: int | None = None
    client_id: int | None = None
    since: int | None = None
    has_unread: bool | None = None
    text: str | None = None


Position = dict[str, int]
"""The number of the last exchange that is known of each server process, by the id of the process."""


def is_success(status: int | None) -> bool:
    """Return whether a status is not that of an error."""
    return status is not None and status < 400  # noqa: PLR2004  # an HTTP status


def matches_status(pattern: str, status: int | None) -> bool:
    """Return whether a status is the one of a pattern: `404`, `4xx`, `>=400`."""
    if status is None:
        return False
    if pattern.endswith("xx"):
        return status // 100 == int(pattern[0])
    match = STATUS_TEXT.fullmatch(pattern)
    assert match is not None  # noqa: S101  # the API checks it by STATUS_PATTERN
    sign, number = match[1], int(match[2])
    comparisons = {"": status == number, ">=": status >= number, "<=": status <= number}
    return comparisons.get(sign, status > number if sign == ">" else status < number)


def format_position(position: Position) -> str:
    """Format a position for clients, which send it back unchanged."""
    return ",".join(f"{worker_id}:{number}" for worker_id, number in sorted(position.items()))


def parse_position(name: str, text: str) -> Position:
    """Parse a position that a client sends in the parameter `name`. Raises Invalid."""
    if POSITION_TEXT.fullmatch(text) is None:
        raise invalid(**{name: "Input should be a position that the request log has returned"})
    pairs = (part.split(":") for part in text.split(",") if part)
    return {worker_id: int(number) for worker_id, number in pairs}


def _contains(value: Any, text: str) -> bool:
    if isinstance(value, dict):
        return any(text in name.casefold() or _contains(item, text) for name, item in value.items())
    if isinstance(value, list):
        return any(_contains(item, text) for item in value)
    return value is not None and text in str(value).casefold()
