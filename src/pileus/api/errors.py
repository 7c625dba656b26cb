"""Map problems to HTTP answers: one table of statuses, one shape of the body."""

import logging
import math
import re
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ASGIApp

from pileus.api.middleware import allowed_methods_with_head
from pileus.api.validation import EMPTY_BODY, is_body_missing, translate_parameter_errors
from pileus.domain.errors import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    InOtherCell,
    Invalid,
    Locked,
    NoCapacity,
    NotFound,
    NotOffered,
    OutcomeUnknown,
    Problem,
    QuotaExceeded,
    QuotasExceeded,
    RegionElsewhere,
    Stale,
    TooManyRequests,
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
    Locked: (409, "ConflictError"),
    Stale: (409, "ConflictError"),
    QuotaExceeded: (400, "QuotaLimitExceed"),
    QuotasExceeded: (400, "MultipleQuotaLimitExceeded"),
    BodyTooLarge: (413, "RequestEntityTooLarge"),
    TooManyRequests: (429, "TooManyRequests"),
    NotOffered: (501, "NotImplemented"),
    Unavailable: (503, "ServiceUnavailable"),
    RegionElsewhere: (503, "ServiceUnavailable"),
    InOtherCell: (503, "ServiceUnavailable"),
    OutcomeUnknown: (503, "ServiceUnavailable"),
}
NO_RETRY = {"x-should-retry": "false"}
"""The official SDKs repeat requests that are answered with 5xx, unless they get this header."""
MISSING = re.compile(r"Missing required \w+ parameter '(?P<name>[^']*)'")
REGION_ELSEWHERE = "region_elsewhere"
"""The key of the scope with the region whose home can answer the request: see `forwarded_requests.py`."""
CELLS_ELSEWHERE = "cells_elsewhere"
"""The key of the scope with the cells whose servers answer the request: see `cell_requests.py`."""
INTERNAL = "Internal server error: tell the operator the request_id"


def problem_response(request: Request[Any, Any, Any], problem: Problem) -> Response[dict[str, Any]]:
    """Make the answer for a problem of the domain."""
    if isinstance(problem, RegionElsewhere):
        request.scope[REGION_ELSEWHERE] = problem.region_id  # type: ignore[literal-required]  # our own key
    elif isinstance(problem, InOtherCell):
        request.scope[CELLS_ELSEWHERE] = problem.cells  # type: ignore[literal-required]  # our own key
    status, name = HTTP_ERRORS[type(problem)]
    if isinstance(problem, Unauthenticated):
        name = problem.code
    extra: dict[str, Any] = {}
    if isinstance(problem, Invalid) and problem.fields:
        extra["invalid_fields"] = problem.fields
    if problem.info:
        extra["info"] = problem.info
    return _response(request, status, name, problem.message, extra=extra, headers=_headers_of(problem))


def _headers_of(problem: Problem) -> dict[str, str] | None:
    if problem.retry_after is not None:
        return {"retry-after": str(math.ceil(problem.retry_after))}
    return NO_RETRY if isinstance(problem, NotOffered | OutcomeUnknown) else None


def validation_error_response(request: Request[Any, Any, Any], error: ValidationException) -> Response[dict[str, Any]]:
    """Make the answer for an empty body, or for parameters that the framework could not parse."""
    failures = error.extra if isinstance(error.extra, list) else []
    if is_body_missing(failures):
        return problem_response(request, Invalid(EMPTY_BODY))
    fields = translate_parameter_errors([{**failure, "key": _public_name(request, failure)} for failure in failures])
    if missing := MISSING.match(error.detail):
        fields = {missing["name"]: ["Field required"]}
    return problem_response(request, Invalid(f"Validation Error: {fields}", fields))


def _public_name(request: Request[Any, Any, Any], failure: dict[str, Any]) -> str:
    """Return a parameter's name in the request, which may differ from its name in the handler."""
    name = str(failure.get("key", "parameters"))
    parameter = request.route_handler.parsed_fn_signature.parameters.get(name)
    return getattr(parameter and parameter.kwarg_definition, "name", None) or name


def http_error_response(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    """Make the answer for errors of the framework: unknown routes, wrong methods, bodies that are too large."""
    if error.status_code == 404:  # noqa: PLR2004  # an HTTP status
        return _response(request, 404, "NotFoundError", f"{request.scope['path']} could not be found")
    phrases = {405: "Method Not Allowed", 413: "Request Entity Too Large", 400: "Bad Request"}
    name = HTTP_ERRORS[BodyTooLarge][1] if error.status_code == HTTP_ERRORS[BodyTooLarge][0] else "HTTPError"
    text = f"HTTP {error.status_code}: {phrases.get(error.status_code, error.detail)}"
    headers = {
        key: allowed_methods_with_head(value) if key == "allow" else value
        for key, value in (error.headers or {}).items()
    }
    return _response(request, error.status_code, name, text, headers=headers)


def unexpected_error_response(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Make the answer for an unexpected exception: log the trace, and return only the request id."""
    LOG.error(
        "Unhandled exception", exc_info=error, extra={"request_id": _request_id(request), "path": request.url.path}
    )
    return _response(request, 500, "InternalServerError", INTERNAL)


HANDLERS: Any = {
    Problem: problem_response,
    ValidationException: validation_error_response,
    HTTPException: http_error_response,
    Exception: unexpected_error_response,
}


def make_error_response(request: Request[Any, Any, Any], error: Exception) -> ASGIApp:
    """Make the answer for an exception, as the framework does with HANDLERS."""
    handler = next(HANDLERS[error_type] for error_type in type(error).__mro__ if error_type in HANDLERS)
    response: Response[Any] = handler(request, error)
    return response.to_asgi_response(
        app=None, request=request, type_encoders=request.route_handler.resolve_type_encoders()
    )


def exception_class_of(status: HTTPStatus) -> str:
    """Return the `exception_class` of errors with a status: that of our own errors, or the name of the status."""
    names = (name for code, name in HTTP_ERRORS.values() if code == status)
    return next(names, status.phrase.replace(" ", "").replace("-", ""))


def _request_id(request: Request[Any, Any, Any]) -> str:
    return str(request.scope.get("request_id", ""))


def _response(  # noqa: PLR0913  # the parts of an error response
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
