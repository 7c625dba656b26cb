"""Posts messages to webhooks, signed by the Standard Webhooks specification."""

import base64
import hashlib
import hmac
import ssl
from functools import cache
from typing import Any

import httpx

from pileus.domain.account.subscriptions import WebhookTarget
from pileus.outbound.protocols import NotSentError
from pileus.outbound.ssrf_guard import Address, request_arguments_for_address

RETRYABLE = frozenset({401, 403, 404, 408, 425, 429})
"""Client errors after which another try may succeed; others reject the message itself."""


async def post(target: WebhookTarget, address: Address, message_id: str, body: bytes, timestamp: str) -> None:
    """Post a message to one address of the subscriber. Raises NotSentError, or ConnectionError if it is unreachable."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Pileus",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": _signature(target.auth_header_value, message_id, timestamp, body),
        target.auth_header_name: target.auth_header_value,
    }
    # The caller limits the time of all steps together.
    options: dict[str, Any] = {"trust_env": False, "follow_redirects": False, "timeout": None}
    async with httpx.AsyncClient(verify=_tls_context(), **options) as client:
        request = client.build_request(
            "POST", content=body, **request_arguments_for_address(httpx.URL(target.url), address, headers)
        )
        # The body is not read: it may be of any size.
        try:
            response = await client.send(request, stream=True)
        except httpx.ConnectError as problem:
            raise ConnectionError(str(problem)) from problem
        await response.aclose()
    if not response.is_success:
        refused = response.is_client_error and response.status_code not in RETRYABLE
        raise NotSentError(f"The subscriber answered {response.status_code}", refused=refused)


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Sign a message, so that the subscriber can check its sender and content."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


@cache
def _tls_context() -> ssl.SSLContext:
    """Load the trusted certificates once, as that takes as long as many messages."""
    return httpx.create_ssl_context(trust_env=False)
