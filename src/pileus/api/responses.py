"""Encode what handlers return as JSON, once, with the two headers that are needed.

Responses that need more (cookies, background tasks, other media types) are left to the framework.
"""

from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from pileus.api.wire.legacy import unset_legacy_fields

T = TypeVar("T")
JSON = "application/json"
NO_CONTENT = 204
ENCODER = msgspec.json.Encoder()


def encode_json(content: object, *, legacy_fields: bool) -> bytes:
    """Encode what a handler has returned, with or without the fields for older clients."""
    if not legacy_fields:
        unset_legacy_fields(content)
    return ENCODER.encode(content)


class EncodedJsonResponse(ASGIResponse):
    """An encoded JSON body, ready to send."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status_code = status
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        """Send the response."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body))]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class JsonResponse(Response[T]):
    """The response class of all routes."""

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **more: Any) -> ASGIResponse:
        """Encode the content of a plain JSON response, and leave others to the framework."""
        legacy_fields = request.app.state.legacy_fields
        status = self.status_code or more.get("status_code") or 200
        if self.media_type != JSON or status == NO_CONTENT or self.headers or self.cookies or more.get("headers"):
            if not legacy_fields:
                unset_legacy_fields(self.content)
            return super().to_asgi_response(app, request, **more)
        return EncodedJsonResponse(status, encode_json(self.content, legacy_fields=legacy_fields))
