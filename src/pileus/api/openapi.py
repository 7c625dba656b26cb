"""The API's description of itself: the OpenAPI document, made from routes, docstrings and wire types, and its page."""

import re
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router
from litestar.enums import MediaType, OpenAPIMediaType
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin

import pileus
from pileus.api import openapi_page
from pileus.api.auth import OPEN

PATH = "/schema"
ABOUT = "Instances and what they stand on, in the shapes of the public Gcore Cloud API. Pileus is independent of Gcore."
GENERIC = re.compile(r"Page_(?:\w+\.)*(\w+)_(?=\"|$)")
REFUSALS = {
    "400": "The request's content is wrong: `invalid_fields` says where.",
    "401": "No usable credentials.",
    "403": "The key's role does not allow it, there is no room, or a quota is used up.",
    "404": "No such thing, or not yours.",
    "409": "It exists already, is in use, is locked by a task, or is in the wrong state.",
}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "required": ["exception_class", "message", "request_id"],
    "properties": {
        "exception_class": {"type": "string"},
        "message": {"type": "string"},
        "request_id": {"type": "string"},
        "info": {"type": "object"},
        "invalid_fields": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    },
}


class Document(OpenAPIRenderPlugin):
    """The document as JSON."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=OpenAPIMediaType.OPENAPI_JSON)
        self._made = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """Answer the document; it is made once."""
        self._made = self._made or msgspec.json.encode(complete_document(openapi_schema))
        return self._made


class Page(OpenAPIRenderPlugin):
    """The document for people: one page that loads nothing from elsewhere."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)
        self._made = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """Answer the page; it is made once."""
        self._made = self._made or openapi_page.page(complete_document(openapi_schema)).encode()
        return self._made


def config() -> OpenAPIConfig:
    """How the framework makes the document, and where it serves it."""
    return OpenAPIConfig(
        title="Pileus",
        version=pileus.__version__,
        description=ABOUT,
        use_handler_docstrings=True,
        operation_id_creator=_operation_id,
        openapi_router=Router(PATH, route_handlers=[], opt=OPEN, include_in_schema=False, after_request=_refused),
        render_plugins=[Page(), Document()],
    )


def _refused(response: Response[Any]) -> Response[Any]:
    if response.status_code == 404:  # noqa: PLR2004  # HTTP's own number
        raise NotFoundException
    return response


def document(app: Litestar) -> dict[str, Any]:
    """The finished document of an application."""
    return complete_document(app.openapi_schema.to_schema())


def complete_document(schema: dict[str, Any]) -> dict[str, Any]:
    """The framework's document with our refusals, security and names."""
    # The framework writes `oneOf` for every union, though a value may well be of two of its types.
    text = msgspec.json.encode(schema).decode().replace('"oneOf":', '"anyOf":')
    named: dict[str, Any] = msgspec.json.decode(GENERIC.sub(r"\1Page", text))
    named["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    named["components"]["securitySchemes"] = {
        "APIKey": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`APIKey <token>`"}
    }
    named["security"] = [{"APIKey": []}]
    for operations in named["paths"].values():
        for operation in operations.values():
            _refuse(operation)
    return named


def _operation_id(handler: HTTPRouteHandler, _: Any, __: Any) -> str:
    return handler.handler_name


def _refuse(operation: dict[str, Any]) -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    kept = {code: answer for code, answer in operation["responses"].items() if code.startswith("2")}
    refused = {code: {"description": text, "content": content} for code, text in REFUSALS.items()}
    operation["responses"] = kept | refused
