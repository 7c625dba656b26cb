"""Serve the OpenAPI document and its page: rendered once, in a thread, compressed if the client accepts it.

Rendering takes seconds, so it must not run on the event loop. Clients that have the current version get 304.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router
from litestar.enums import MediaType, OpenAPIMediaType
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from msgspec import Struct

import pileus
from pileus.api import openapi_page
from pileus.api.authorization import OPEN
from pileus.api.openapi import openapi_document
from pileus.api.operations import operation_id_of

PATH = "/schema"
DESCRIPTION = (
    "Instances, volumes, networks and the resources around them, with the endpoints of the public Gcore Cloud API."
    " Pileus is independent of Gcore."
)
NOT_FOUND, NOT_MODIFIED = 404, 304


class RenderedDocument(Struct, frozen=True, kw_only=True):
    """A document in both encodings, and the digest of its content."""

    media_type: str
    content: bytes
    compressed: bytes
    digest: str

    @classmethod
    def of(cls, content: bytes, media_type: str) -> "RenderedDocument":
        """Compress the content and compute its digest."""
        digest = hashlib.sha256(content).hexdigest()[:32]
        return cls(media_type=media_type, content=content, compressed=gzip.compress(content, mtime=0), digest=digest)

    def to_response(self, accept_encoding: str, if_none_match: str) -> Response[bytes]:
        """Return the response in the encoding that the client accepts, or 304 if the client has this version."""
        is_compressed = accepts_gzip(accept_encoding)
        etag = f'"{self.digest}{"-gzip" if is_compressed else ""}"'
        headers = {"ETag": etag, "Vary": "Accept-Encoding", "Cache-Control": "no-cache"}
        if has_etag(if_none_match, etag):
            return Response(b"", status_code=NOT_MODIFIED, headers=headers, media_type=self.media_type)
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        content = self.compressed if is_compressed else self.content
        return Response(content, status_code=200, headers=headers, media_type=self.media_type)


class OpenApiDocuments:
    """The documents of an application, by path; rendered in a thread when the first one is requested.

    They are rendered from an application of their own, which is dropped: the framework prepares all its handlers for
    that, and changes their signatures.
    """

    def __init__(self, make_app: Callable[[], Litestar]) -> None:
        self._make_app = make_app
        self._lock = asyncio.Lock()
        self._documents: dict[str, RenderedDocument] = {}

    async def find(self, path: str) -> RenderedDocument | None:
        """Return the document of a path, or None."""
        if path not in (PATH, f"{PATH}{DocumentPlugin.PATH}"):
            return None
        async with self._lock:
            if not self._documents:
                self._documents = await asyncio.to_thread(lambda: render_documents(self._make_app()))
        return self._documents[path]


class DocumentPlugin(OpenAPIRenderPlugin):
    """Declares the path of the document to the framework; the router's hook answers."""

    PATH = "/openapi.json"

    def __init__(self) -> None:
        super().__init__(path=self.PATH, media_type=OpenAPIMediaType.OPENAPI_JSON)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002  # Litestar
        """Return nothing: the router's hook has answered already."""
        return b""


class PagePlugin(DocumentPlugin):
    """Declares the path of the page."""

    PATH = "/"


def openapi_config(make_app: Callable[[], Litestar]) -> OpenAPIConfig:
    """Configure how the framework makes the document, and where it is served; `make_app` makes the same application."""
    return OpenAPIConfig(
        title="Pileus",
        version=pileus.__version__,
        description=DESCRIPTION,
        use_handler_docstrings=True,
        operation_id_creator=_operation_id,
        openapi_router=Router(
            PATH,
            route_handlers=[],
            opt=OPEN,
            include_in_schema=False,
            before_request=_make_document_hook(OpenApiDocuments(make_app)),
            after_request=_replace_not_found,
        ),
        render_plugins=[PagePlugin(), DocumentPlugin()],
    )


def render_documents(app: Litestar) -> dict[str, RenderedDocument]:
    """Render the document and its page."""
    document = openapi_document(app)
    page = openapi_page.render_api_reference(document).encode()
    return {
        PATH: RenderedDocument.of(page, f"{MediaType.HTML.value}; charset=utf-8"),
        f"{PATH}{DocumentPlugin.PATH}": RenderedDocument.of(
            msgspec.json.encode(document), OpenAPIMediaType.OPENAPI_JSON.value
        ),
    }


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a client accepts gzip, by its header `Accept-Encoding` (RFC 9110, 12.5.3)."""
    qualities = {}
    for item in accept_encoding.lower().split(","):
        coding, _, parameter = item.partition(";")
        quality = parameter.strip().removeprefix("q=") if parameter else "1"
        qualities[coding.strip()] = quality.strip("0.") != ""
    return qualities.get("gzip", qualities.get("*", False))


def has_etag(if_none_match: str, etag: str) -> bool:
    """Return whether a client has the version with this tag, by its header `If-None-Match`."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag in tags


def _make_document_hook(
    documents: OpenApiDocuments,
) -> Callable[[Request[Any, Any, Any]], Awaitable[Response[bytes] | None]]:
    async def answer(request: Request[Any, Any, Any]) -> Response[bytes] | None:
        document = await documents.find(request.scope["path"].rstrip("/"))
        if document is None:
            return None
        headers = request.headers
        return document.to_response(headers.get("accept-encoding", ""), headers.get("if-none-match", ""))

    return answer


def _replace_not_found(response: Response[Any]) -> Response[Any]:
    """Replace the framework's page for unknown paths by the usual error body."""
    if response.status_code == NOT_FOUND:
        raise NotFoundException
    return response


def _operation_id(handler: HTTPRouteHandler, _: Any, __: Any) -> str:
    return operation_id_of(handler)
