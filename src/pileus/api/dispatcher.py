"""Call the handlers of plain requests directly: the framework's routing and injection take longer than most handlers.

The direct routes are derived from the framework's own, so that a route is declared once. A handler is called directly
if it takes no more than the context, parts of the path and a JSON body, and answers plain JSON. All other handlers, and
all requests that are unusual in any way, go through the framework. `tests/api/test_dispatcher.py` compares both ways.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from litestar import Litestar, Response
from litestar.enums import MediaType, RequestEncodingType, ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.params import BodyKwarg, KwargDefinition, QueryParameter
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.typing import FieldDefinition

from pileus.api.authorization import make_request_context, required_access
from pileus.api.context import AppState
from pileus.api.errors import make_error_response
from pileus.api.operations import ApiOperation, OperationIndex
from pileus.api.requests import BodyDecodingRequest, receive_body
from pileus.api.responses import NO_CONTENT, EncodedJsonResponse, encode_json
from pileus.api.route_registration import prepare_handler
from pileus.api.unread_inputs import check_fields_are_read
from pileus.api.validation import decode_body_in_turns
from pileus.domain.account.access import Access

PLAIN_HOST = re.compile(rb"[0-9A-Za-z.:-]*")
Dispatch = Callable[[Litestar, AppState, ASGIApp], ASGIApp]
MAX_DIGITS = 18
"""Longer numbers in paths are left to the framework."""
PATH_TYPES = (str, int)
LOOKUP_PROBLEM = "lookup_problem"
"""The key of the scope with the problem that the handler's first lookup has met: see `immediate_answers.py`."""


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """How a handler is called. `numbers` and `texts` are the parameters in its path, by their position."""

    handler: HTTPRouteHandler
    function: Callable[..., Awaitable[Any]]
    template: str
    access: Access
    status: int
    numbers: tuple[tuple[int, str], ...]
    texts: tuple[tuple[int, str], ...]
    arguments: tuple[str, ...]
    body_type: Any
    body_limit: int | None
    has_query_parameters: bool


class DirectRoutes:
    """The operations of an application whose handlers are called directly."""

    def __init__(self, operations: OperationIndex, *, only_kept: bool = False) -> None:
        self._find_operation = operations.find
        # Few of the operations are ever called: each is looked at when its first request comes.
        self._route_of = cache(make_route_of_kept_answer if only_kept else make_direct_route)

    def find(self, scope: Any) -> DirectRoute | None:
        """Return the route of a plain request, and describe it in the scope as the framework does; None for others."""
        parts = scope["path"].split("/")
        # A trailing or a double slash is an empty part, which matches nothing.
        operation = self._find_operation(scope["method"], parts[1:])
        if operation is None:
            return None
        route = self._route_of(operation)
        if route is None or not _is_plain(scope, route):
            return None
        params: dict[str, Any] = {name: parts[position] for position, name in route.texts}
        for position, name in route.numbers:
            part = parts[position]
            if len(part) > MAX_DIGITS or not (part.isascii() and part.isdigit()):
                return None
            params[name] = int(part)
        scope["path_params"], scope["path_template"], scope["route_handler"] = params, route.template, route.handler
        return route


def dispatch_directly(app: Litestar, state: AppState, framework: ASGIApp) -> ASGIApp:
    """Wrap the framework: answer plain requests directly, and pass on all others."""
    find_route, legacy_fields = DirectRoutes(state.operations).find, bool(app.state.legacy_fields)

    async def answer(route: DirectRoute, scope: Any, receive: Receive, send: Send) -> ASGIApp:
        ctx = await make_request_context(state, route.access, scope)
        _raise_lookup_problem(scope)
        params = scope["path_params"]
        arguments = {name: params[name] for name in route.arguments}
        if route.body_type is not None:
            body = await receive_body(receive, route.body_limit)
            if state.strict:
                check_fields_are_read(body, route.handler)
            arguments["data"] = await decode_body_in_turns(body, route.body_type)
        result = await route.function(ctx=ctx, **arguments)
        if isinstance(result, Response):
            return await route.handler.to_response(app, result, BodyDecodingRequest(scope, receive, send))
        return EncodedJsonResponse(route.status, encode_json(result, legacy_fields=legacy_fields))

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or (route := find_route(scope)) is None:
            await framework(scope, receive, send)
            return
        try:
            response = await answer(route, scope, receive, send)
        except Exception as error:  # noqa: BLE001  # this is an outermost handler, like the framework's
            response = make_error_response(BodyDecodingRequest(scope, receive, send), error)
        await response(scope, receive, send)

    return handle


def _raise_lookup_problem(scope: Any) -> None:
    if LOOKUP_PROBLEM in scope:
        raise scope[LOOKUP_PROBLEM]


def _is_plain(scope: Any, route: DirectRoute) -> bool:
    if scope.get("root_path") or (route.has_query_parameters and scope["query_string"]):
        return False
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return len(hosts) == 1 and _is_plain_host(hosts[0])


@lru_cache(128)
def _is_plain_host(host: bytes) -> bool:
    return PLAIN_HOST.fullmatch(host) is not None


def make_route_of_kept_answer(operation: ApiOperation) -> DirectRoute | None:
    """Return how the handler is called directly, or None if it needs the framework or no answers are kept."""
    return make_direct_route(operation) if operation.keeps_answers else None


def make_direct_route(operation: ApiOperation) -> DirectRoute | None:
    """Return how the handler is called directly, or None if it needs the framework."""
    prepare_handler(operation.handler)
    handler, in_path = (
        operation.handler,
        {
            part.name: (position, part.type)
            for position, part in enumerate(operation.path_components, start=1)
            if not isinstance(part, str)
        },
    )
    parameters = dict(handler.parsed_fn_signature.parameters)
    has_context, body = parameters.pop("ctx", None) is not None, parameters.pop("data", None)
    queries = [name for name, parameter in parameters.items() if _is_optional_query(parameter)]
    arguments = [name for name in parameters if name not in queries]
    is_simple = (
        has_context
        and _answers_plain_json(handler)
        and _is_unmodified(handler)
        and (body is None or _is_json_body(body))
        and all(type_ in PATH_TYPES for _, type_ in in_path.values())
        and all(name in in_path and _is_unconstrained(parameters[name], in_path[name][1]) for name in arguments)
    )
    if not is_simple:
        return None
    return DirectRoute(
        handler=handler,
        function=handler.fn,
        template=operation.template,
        access=required_access(handler),
        status=handler.status_code,
        numbers=tuple((position, name) for name, (position, type_) in in_path.items() if type_ is int),
        texts=tuple((position, name) for name, (position, type_) in in_path.items() if type_ is str),
        arguments=tuple(arguments),
        body_type=None if body is None else body.annotation,
        body_limit=handler.resolve_request_max_body_size(),
        has_query_parameters=bool(queries),
    )


def _answers_plain_json(handler: HTTPRouteHandler) -> bool:
    is_json = handler.media_type in (MediaType.JSON, MediaType.JSON.value)
    has_extras = handler.resolve_response_headers() or handler.resolve_response_cookies() or handler.background
    return is_json and not has_extras and handler.status_code != NO_CONTENT and not handler.resolve_return_dto()


def _is_unmodified(handler: HTTPRouteHandler) -> bool:
    """Return whether the framework does nothing before or after the handler but authorize the request."""
    hooks = (handler.resolve_guards(), handler.resolve_middleware(), handler.resolve_after_response(), handler.cache)
    after_request = [layer.after_request for layer in handler.ownership_layers if layer.after_request]
    is_open = required_access(handler) is Access.OPEN
    return not any(hooks) and not after_request and not handler.has_sync_callable and not is_open


def _is_json_body(body: FieldDefinition) -> bool:
    kwarg, is_required = body.kwarg_definition, not (body.has_default or body.is_optional)
    return isinstance(kwarg, BodyKwarg) and kwarg.media_type is RequestEncodingType.JSON and is_required


def _is_optional_query(parameter: FieldDefinition) -> bool:
    return isinstance(parameter.kwarg_definition, QueryParameter) and parameter.has_default


def _is_unconstrained(parameter: FieldDefinition, path_type: type) -> bool:
    """Return whether the handler takes the part of the path as it is."""
    kwarg = parameter.kwarg_definition
    return parameter.annotation is path_type and not (isinstance(kwarg, KwargDefinition) and kwarg.is_constrained)
