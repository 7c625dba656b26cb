"""The OpenAPI document, generated from routes, docstrings and wire types."""

import json
import re
from typing import Any

import msgspec
from litestar import Litestar

from pileus.api.route_registration import list_deferred_handlers, prepare_handler
from pileus.domain import limits

GENERIC_PAGE = re.compile(r"Page_(?:\w+\.)*(\w+)_(?=\"|$)")
ERRORS = {
    "400": "The request is invalid: `invalid_fields` names the fields. Or a quota is exceeded: `info` has its numbers.",
    "401": "The credentials are missing or invalid.",
    "403": "The role of the API key does not allow the operation, or there is no capacity.",
    "404": "The resource does not exist, or belongs to another tenant.",
    "409": "The resource exists already, is in use, is locked by a task, or is in the wrong state.",
}
LOGIN_ERRORS = {"429": "Too many logins have failed: `Retry-After` is the time to wait in seconds."}
"""Further errors of operations with the tag `Logins`."""
TEXTS = {"type": "array", "items": {"type": "string"}}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "required": ["exception_class", "message", "request_id"],
    "properties": {
        "exception_class": {"type": "string"},
        "message": {"type": "string"},
        "request_id": {"type": "string"},
        "info": {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
        "invalid_fields": {"type": "object", "additionalProperties": {"anyOf": [TEXTS, {"type": "object"}]}},
    },
}


def openapi_document(app: Litestar) -> dict[str, Any]:
    """Make the document of an application, which cannot serve requests then: the framework changes its handlers."""
    for handler in list_deferred_handlers(app):
        prepare_handler(handler)
    return add_errors_and_security(app.openapi_schema.to_schema())


def add_errors_and_security(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the error answers, the security scheme and shorter names to the framework's document."""
    # The framework writes `oneOf` for every union, although a value may match two of its types.
    text = msgspec.json.encode(schema).decode().replace('"oneOf":', '"anyOf":')
    complete: dict[str, Any] = msgspec.json.decode(GENERIC_PAGE.sub(r"\1Page", text))
    complete["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    complete["components"]["securitySchemes"] = {
        "APIKey": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`APIKey <token>`"},
        "Login": {"type": "http", "scheme": "bearer", "description": "The access token of a login."},
    }
    complete["security"] = [{"APIKey": []}, {"Login": []}]
    for component in complete["components"]["schemas"].values():
        _make_deprecated_fields_optional(component)
    for path, operations in complete["paths"].items():
        for operation in operations.values():
            _add_errors(operation)
            _sort_parameters(path, operation)
    return complete


def format_openapi_json(app: Litestar) -> str:
    """Format the document as it is committed in docs/openapi.json, with sorted keys."""
    return json.dumps(openapi_document(app), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _make_deprecated_fields_optional(schema: dict[str, Any]) -> None:
    """Take deprecated fields off the list of required ones: the setting `legacy_fields` can turn them off."""
    fields: dict[str, dict[str, Any]] = schema.get("properties", {})
    schema["required"] = [name for name in schema.get("required", []) if not fields[name].get("deprecated")]


def _add_errors(operation: dict[str, Any]) -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    successes = {code: answer for code, answer in operation["responses"].items() if code.startswith("2")}
    texts = ERRORS | (LOGIN_ERRORS if "Logins" in operation.get("tags", ()) else {})
    errors = {code: {"description": text, "content": content} for code, text in texts.items()}
    operation["responses"] = successes | errors


def _sort_parameters(path: str, operation: dict[str, Any]) -> None:
    """Put the parameters of the path first, in its order. The framework's order differs from start to start.

    Mark deprecated ones: the framework has that in their schema only. Show the most values of a list.
    """
    parameters: list[dict[str, Any]] = operation.get("parameters", [])
    for parameter in parameters:
        parameter["deprecated"] = parameter["schema"].pop("deprecated", False)
        if parameter["in"] == "query" and parameter["schema"].get("type") == "array":
            parameter["schema"]["maxItems"] = limits.QUERY_VALUES.value
    parameters.sort(key=lambda parameter: (parameter["in"] != "path", path.find(f"{{{parameter['name']}}}")))
