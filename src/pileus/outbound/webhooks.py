"""Posts messages to webhooks, signed as the Standard Webhooks specification has it."""

import base64
import hashlib
import hmac
import ssl
from functools import cache
from typing import Any

import httpx

from pileus.domain.account.subscriptions import Webhook
from pileus.outbound.protocols import NotSentError
from pileus.outbound.ssrf_guard import Address, pin_request

LATER = frozenset({401, 403, 404, 408, 425, 429})
"""Refusals that may pass; others of 400 to 499 mean the message itself."""


async def post(target: Webhook, there: Address, message_id: str, body: bytes, timestamp: str) -> None:
    """Post a message to an address of its subscriber's; raises NotSentError, or ConnectionError if nobody is there."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Pileus",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": _signature(target.auth_header_value, message_id, timestamp, body),
        target.auth_header_name: target.auth_header_value,
    }
    # The time is bounded outside, for all that is done for a message together.
    options: dict[str, Any] = {"trust_env": False, "follow_redirects": False, "timeout": None}
    async with httpx.AsyncClient(verify=_trusted(), **options) as client:
        request = client.build_request("POST", content=body, **pin_request(httpx.URL(target.url), there, headers))
        # What it says is of no interest, however much it says.
        try:
            answer = await client.send(request, stream=True)
        except httpx.ConnectError as problem:
            raise ConnectionError(str(problem)) from problem
        await answer.aclose()
    if not answer.is_success:
        refused = answer.is_client_error and answer.status_code not in LATER
        raise NotSentError(f"The subscriber answered {answer.status_code}", refused=refused)


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """What proves that a message is ours and whole."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


@cache
def _trusted() -> ssl.SSLContext:
    """Whom to trust: reading that in takes as long as many messages."""
    return httpx.create_ssl_context(trust_env=False)
