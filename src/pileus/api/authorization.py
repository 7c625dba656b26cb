"""Authenticate and authorize each request, before its parameters and body are read."""

import logging
from typing import Any

from litestar import Request
from litestar.handlers import BaseRouteHandler

from pileus.api.canonical_ids import canonical_path_params, canonical_query, query_without_empty_ids
from pileus.api.cell_routes import check_request_is_here
from pileus.api.context import CONTEXT, AppState, RequestContext
from pileus.api.query_values import check_query_values
from pileus.api.requests import READING
from pileus.api.unread_inputs import check_parameters_are_read
from pileus.domain.account.access import Access, is_allowed
from pileus.domain.errors import Forbidden, not_found
from pileus.domain.places import Caller, Place
from pileus.store.loop_turns import set_tenant

READ = {"access": Access.READ}
WRITE = {"access": Access.WRITE}
ADMINISTER = {"access": Access.ADMINISTER}
OPERATE = {"access": Access.OPERATE}
CONTROL = {"access": Access.CONTROL}
OPEN = {"access": Access.OPEN}
LOGGED = (Access.OPERATE, Access.CONTROL)
LOG = logging.getLogger("pileus.operators")
MAX_USER_AGENT = 500
MAX_NUMBER = 2**63 - 1


def required_access(handler: BaseRouteHandler) -> Access:
    """Return the access that a route requires."""
    access: Access = handler.opt.get("access", Access.OPERATE)
    return access


async def authorize(request: Request[Any, Any, Any]) -> None:
    """Authorize the request, and set CONTEXT; routes that are open need no context."""
    access, state = required_access(request.route_handler), request.app.state.app_state
    if access is not Access.OPEN and request.method != "OPTIONS":
        CONTEXT.set(await make_request_context(state, access, request.scope))
    elif state is not None and state.cells and request.method == "POST":
        check_request_is_here(state.cells.cells, state.cells.marks, request.scope, {})
    if access is Access.OPEN and request.app.state.strict:
        check_parameters_are_read(request.scope["query_string"], request.route_handler)


def _canonical_query(scope: Any) -> bytes:
    query: bytes = scope["query_string"]
    return canonical_query(query_without_empty_ids(query) if scope["method"] in READING else query)


async def make_request_context(state: AppState, access: Access, scope: Any) -> RequestContext:
    """Authenticate the caller, admit the request, and return its context.

    Raises Unauthenticated, and what `admit_request` raises.
    """
    headers, now, epoch = dict(scope["headers"]), state.now(), state.epochs.current
    authorization = headers.get(b"authorization", b"")
    caller = state.authenticator.find_cached(authorization, now) or await state.authenticator.authenticate(
        authorization, now
    )
    set_tenant(state.turns, caller.client_id)
    place, client = admit_request(state, access, caller, scope), scope.get("client")
    return RequestContext(
        app=state,
        epoch=epoch,
        catalogue=state.catalogue,
        now=state.now,
        new_id=state.new_id,
        new_ordered_id=state.new_ordered_id,
        task_limit=state.task_limit,
        caller=caller,
        place=place,
        request_id=scope["request_id"],
        source_ip=client[0] if client else None,
        user_agent=headers.get(b"user-agent", b"")[:MAX_USER_AGENT].decode("latin-1") or None,
        tag_limit=state.tag_limit,
    )


def admit_request(state: AppState, access: Access, caller: Caller, scope: Any) -> Place:
    """Check the caller and the inputs of an authenticated request, and return its place.

    Makes the ids in the path and the query canonical. Raises TooManyRequests, Forbidden or Invalid.
    """
    admit_caller(state, access, caller, scope)
    params = _require_valid_inputs(state, scope)
    scope["path_params"] = canonical_path_params(params)
    if scope["query_string"]:
        scope["query_string"] = _canonical_query(scope)
    return place_of(caller, params)


def admit_caller(state: AppState, access: Access, caller: Caller, scope: Any) -> None:
    """Check the rate limit and the access of an authenticated request. Raises TooManyRequests or Forbidden."""
    scope["caller"] = caller
    if state.rate_limiter:
        state.rate_limiter.check(_limited_key(caller))
    if obstacle := find_access_obstacle(state, access, caller):
        raise Forbidden(obstacle)
    if access in LOGGED and scope["method"] not in READING:
        _log_act(caller, scope)


def find_access_obstacle(state: AppState, access: Access, caller: Caller) -> str:
    """Return the reason why a caller does not have an access; an empty string if it does."""
    if not is_allowed(caller.role, access):
        return f"The role {caller.role} does not allow this operation"
    return state.control_obstacle if access is Access.CONTROL else ""


def has_token(state: AppState, caller: Caller) -> bool:
    """Return whether the rate limit allows a request of the caller now, which takes no token."""
    return state.rate_limiter is None or state.rate_limiter.has_token(_limited_key(caller))


def _limited_key(caller: Caller) -> tuple[int, int | None]:
    return caller.user_id, caller.token_id


def place_of(caller: Caller, params: dict[str, Any]) -> Place:
    """Return the place that the parameters of a path name."""
    return Place(caller.client_id, params.get("project_id", 0), params.get("region_id", 0))


def _require_valid_inputs(state: AppState, scope: Any) -> dict[str, Any]:
    """Check the query and the cell, and return the path parameters. Raises Invalid, NotFound or as `check_cell`."""
    if query := scope["query_string"]:
        check_query_values(query)
        if state.strict:
            check_parameters_are_read(query, scope["route_handler"])
    params = require_valid_path_params(scope["path_params"])
    check_cell(state, scope, params)
    return params


def check_cell(state: AppState, scope: Any, params: dict[str, Any]) -> None:
    """Check that the cell of this server answers the request. Raises InOtherCell, NotOffered or Unavailable."""
    if state.cells:
        check_request_is_here(state.cells.cells, state.cells.marks, scope, params)


def _log_act(caller: Caller, scope: Any) -> None:
    """Log what an operator is about to do; the line of the request, with the same id, has its outcome."""
    LOG.info(
        "An operator acts",
        extra={
            "request_id": scope["request_id"],
            "operation": scope["route_handler"].handler_name,
            "method": scope["method"],
            "path": scope["path"],
            "key_id": caller.token_id,
            "user": caller.email,
            "role": caller.role,
        },
    )


def require_valid_path_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return the path parameters. Raises NotFound for values that no database column can hold."""
    for name, value in params.items():
        if value > MAX_NUMBER if isinstance(value, int) else "\0" in value:
            raise not_found(name.removesuffix("_id").replace("_", " ").capitalize(), value)
    return params
