"""How problems look over HTTP: one table, one body."""

import logging
import re
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from pileus.api.validation import parameter_errors
from pileus.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NoCapacity,
    NotFound,
    Problem,
    QuotaExceeded,
    Stale,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

LOG = logging.getLogger(__name__)
HTTP_ERRORS: dict[type[Problem], tuple[int, str]] = {
    Invalid: (400, "ValidationError"),
    Unauthenticated: (401, "not_authenticated"),
    Forbidden: (403, "ForbiddenError"),
    NoCapacity: (403, "ForbiddenError"),
    NotFound: (404, "NotFoundError"),
    Conflict: (409, "ConflictError"),
    Stale: (409, "ConflictError"),
    QuotaExceeded: (403, "QuotaLimitExceed"),
    TooLarge: (413, "RequestEntityTooLarge"),
    Unavailable: (503, "ServiceUnavailable"),
}
MISSING = re.compile(r"Missing required \w+ parameter '(?P<name>[^']*)'")
INTERNAL = "Internal server error: tell the operator the request_id"


def on_problem(request: Request[Any, Any, Any], problem: Problem) -> Response[dict[str, Any]]:
    """Answer a problem of the domain."""
    status, name = HTTP_ERRORS[type(problem)]
    if isinstance(problem, Unauthenticated):
        name = problem.code
    extra: dict[str, Any] = {}
    if isinstance(problem, Invalid) and problem.fields:
        extra["invalid_fields"] = problem.fields
    if problem.facts:
        extra["info"] = problem.facts
    return _answer(request, status, name, problem.message, extra=extra)


def on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[dict[str, Any]]:
    """Answer parameters that the framework could not read."""
    failures = error.extra if isinstance(error.extra, list) else []
    fields = parameter_errors([{**failure, "key": _asked_as(request, failure)} for failure in failures])
    if missing := MISSING.match(error.detail):
        fields = {missing["name"]: ["Field required"]}
    return on_problem(request, Invalid(f"Validation Error: {fields}", fields))


def _asked_as(request: Request[Any, Any, Any], failure: dict[str, Any]) -> str:
    """A parameter's name in the request, where the handler calls it otherwise."""
    name = str(failure.get("key", "parameters"))
    parameter = request.route_handler.parsed_fn_signature.parameters.get(name)
    return getattr(parameter and parameter.kwarg_definition, "name", None) or name


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    """Answer what the framework itself refuses: unknown routes, wrong methods, bodies too large."""
    if error.status_code == 404:  # noqa: PLR2004  # HTTP's own number
        return _answer(request, 404, "NotFoundError", f"{request.scope['path']} could not be found")
    phrases = {405: "Method Not Allowed", 413: "Request Entity Too Large", 400: "Bad Request"}
    name = HTTP_ERRORS[TooLarge][1] if error.status_code == HTTP_ERRORS[TooLarge][0] else "HTTPError"
    text = f"HTTP {error.status_code}: {phrases.get(error.status_code, error.detail)}"
    return _answer(request, error.status_code, name, text, headers=error.headers)


def on_failure(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Answer what nobody has foreseen: the trace goes to the log, the caller gets the request's id."""
    LOG.error(
        "Unhandled exception", exc_info=error, extra={"request_id": _request_id(request), "path": request.url.path}
    )
    return _answer(request, 500, "InternalServerError", INTERNAL)


HANDLERS: Any = {Problem: on_problem, ValidationException: on_validation, HTTPException: on_http, Exception: on_failure}


def _request_id(request: Request[Any, Any, Any]) -> str:
    return str(request.scope.get("request_id", ""))


def _answer(  # noqa: PLR0913  # each is a fact of its own
    request: Request[Any, Any, Any],
    status: int,
    exception_class: str,
    message: str,
    *,
    extra: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[dict[str, Any]]:
    body = {"exception_class": exception_class, "message": message, "request_id": _request_id(request)}
    return Response(body | (extra or {}), status_code=status, media_type="application/json", headers=headers)
