"""Show and select exchanges: decode their bodies, hide secrets, and find what nothing has read."""

from collections.abc import Callable
from typing import Any

import msgspec

from pileus.api.operations import operation_id_of
from pileus.api.request_log.exchanges import Body, Exchange
from pileus.api.request_log.secret_fields import Redactor
from pileus.api.unread_inputs import UnreadInput, find_unread_fields, find_unread_parameters
from pileus.api.validation import DECODE_ERRORS
from pileus.api.wire.exchanges import (
    BodyView,
    ExchangeFilter,
    ExchangeView,
    RequestClientView,
    UnreadPlace,
    UnreadView,
    is_success,
    matches_status,
)
from pileus.api.wire.times import format_with_microseconds

MAX_SHOWN = 64 << 10
"""Characters of a body. The begin of a longer one is shown."""
WHOLE_BODY = "(body)"
"""The unread field of a body that the operation has not read at all."""
UnreadInputs = tuple[list[UnreadInput], list[UnreadInput]]
NO_BODY_LENGTHS = (b"", b"0", b"2")
"""The values of Content-Length without a body, or with an empty object, which some clients always send."""


def exchange_view(exchange: Exchange) -> ExchangeView:
    """Make the view of an exchange."""
    redactor, caller = Redactor(), exchange.caller
    query = redactor.redact_query(exchange.query)
    request_body = _body_view(exchange.request_body, redactor)
    unread_fields, unread_parameters = find_unread_inputs(exchange)
    return ExchangeView(
        request_id=exchange.request_id,
        started_at=f"{format_with_microseconds(exchange.started_at)}Z",
        milliseconds=round(exchange.seconds * 1000, 2),
        method=exchange.method,
        path=redactor.redact(exchange.path),
        query=query,
        operation=find_operation(exchange),
        project_id=exchange.project_id,
        status=exchange.status,
        client=RequestClientView(
            address=exchange.client[0] if exchange.client else None,
            user_agent=redactor.redact(exchange.user_agent.decode("latin-1")) or None,
            client_id=caller.client_id if caller else None,
            user_id=caller.user_id if caller else None,
        ),
        unread_fields=[field.name for field in unread_fields],
        unread_parameters=[parameter.name for parameter in unread_parameters],
        unread=[*_unread_views("body", unread_fields), *_unread_views("query", unread_parameters)],
        request_body=request_body,
        response_body=_body_view(exchange.response_body, redactor),
    )


def is_selected(exchange: Exchange, selection: ExchangeFilter) -> bool:
    """Return whether an exchange is selected, except by a text: that is looked for in the view."""
    return all(
        matches(exchange, expected)
        for name, matches in SELECTIONS.items()
        if (expected := getattr(selection, name)) is not None
    )


def find_operation(exchange: Exchange) -> str | None:
    """Return the operation of an exchange, or None if there is none."""
    return (operation_id_of(exchange.handler) if exchange.handler else "") or None


def find_unread_inputs(exchange: Exchange) -> UnreadInputs:
    """Return the fields and the query parameters that nothing has read."""
    handler = exchange.handler
    if handler is None or not operation_id_of(handler):
        return [], []
    parameters = find_unread_parameters(exchange.query, handler)
    if not exchange.request_body:
        is_unread = exchange.content_length not in NO_BODY_LENGTHS and is_success(exchange.status)
        return [UnreadInput((WHOLE_BODY,), ())] if is_unread else [], parameters
    if isinstance(exchange.request_body, int):
        return [], parameters
    try:
        raw = msgspec.json.decode(exchange.request_body)
    except DECODE_ERRORS:
        return [], parameters
    return find_unread_fields(raw, handler), parameters


SELECTIONS: dict[str, Callable[[Exchange, Any], bool]] = {
    "request_id": lambda exchange, prefix: exchange.request_id.startswith(prefix),
    "method": lambda exchange, method: exchange.method == method.upper(),
    "path": lambda exchange, part: part in exchange.path,
    "status": lambda exchange, pattern: matches_status(pattern, exchange.status),
    "project_id": lambda exchange, project_id: exchange.project_id == project_id,
    "client_id": lambda exchange, client_id: exchange.caller is not None and exchange.caller.client_id == client_id,
    "since": lambda exchange, time: exchange.started_at >= time,
    "operation": lambda exchange, name: find_operation(exchange) == name,
    "has_unread": lambda exchange, expected: any(find_unread_inputs(exchange)) == expected,
}
"""How the fields of a filter select, the cheap ones first. `text` selects by the view, which has no secrets."""


def _unread_views(place: UnreadPlace, inputs: list[UnreadInput]) -> list[UnreadView]:
    return [UnreadView(name=unread.name, place=place, kind=unread.kind.value, hint=unread.hint) for unread in inputs]


def _body_view(body: Body, redactor: Redactor) -> BodyView:
    if isinstance(body, int) or not body:
        size = body if isinstance(body, int) else 0
        return BodyView(size=size, content=None, is_complete=not size)
    size = len(body)
    try:
        content: Any = redactor.redact(msgspec.json.decode(body))
    except DECODE_ERRORS:
        content = redactor.redact_text(body.decode("utf-8", "replace"))
    else:
        if not isinstance(content, str) and size > MAX_SHOWN:
            content = msgspec.json.encode(content).decode()
    if isinstance(content, str) and len(content) > MAX_SHOWN:
        return BodyView(size=size, content=content[:MAX_SHOWN], is_complete=False)
    return BodyView(size=size, content=content, is_complete=content is not None or body == b"null")
