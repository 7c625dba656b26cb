"""Takes messages to the subscribers of tenants, by HTTP or by AMQP, within bounds: how long, and to where."""

import asyncio
import base64
import hashlib
import hmac
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from pileus.domain.account.subscriptions import Queue, Target, Webhook
from pileus.drivers.reaching import Address, NotPublic, UnknownName, addresses, pinned
from pileus.drivers.subscribers import NotSentError

SECONDS = 10.0
"""For one message, all in all."""
PORTS = {"http": 80, "https": 443, "amqp": 5672, "amqps": 5671}
PERSISTENT, IPV6 = 2, 6
LATER = frozenset({401, 403, 404, 408, 425, 429})
"""Refusals that may pass; others of 400 to 499 mean the message itself."""


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """What proves that a message is ours and whole, as the Standard Webhooks specification has it."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


@dataclass(frozen=True, slots=True)
class Messenger:
    """By HTTP and AMQP; `anywhere` lets tenants name addresses that are not public."""

    anywhere: bool = False
    seconds: float = SECONDS

    async def check(self, target: Target) -> None:
        """Judge an address; a name that leads nowhere now may do so later. Raises NotSentError."""
        parts = urlsplit(_text(target))
        with suppress(UnknownName):
            try:
                await addresses(parts.hostname or "", _port(parts), anywhere=self.anywhere)
            except NotPublic as problem:
                raise NotSentError(
                    f"{problem}; the server's setting `subscribers` says what may be", refused=True
                ) from None

    async def send(self, target: Target, message_id: str, body: bytes, now: int) -> None:
        """Send one message; raises NotSentError."""
        try:
            async with asyncio.timeout(self.seconds):
                await self._sent(target, message_id, body, str(now // 1_000_000))
        except TimeoutError:
            raise NotSentError(f"It took more than {self.seconds:g} seconds") from None
        except NotSentError:
            raise
        except Exception as problem:
            # Whatever a stranger's server makes our libraries stumble over, it is a message that has not arrived.
            raise NotSentError(str(problem) or type(problem).__name__) from problem

    async def _sent(self, target: Target, message_id: str, body: bytes, timestamp: str) -> None:
        """Send to the first of a name's addresses that can be reached."""
        *others, last = await self._addresses(urlsplit(_text(target)))
        for there in (*others, last):
            try:
                if isinstance(target, Webhook):
                    await _post(target, there, message_id, body, timestamp)
                else:
                    await _publish(target, there, message_id, body)
            except (httpx.ConnectError, ConnectionError):
                if there is last:
                    raise
            else:
                return

    async def _addresses(self, parts: SplitResult) -> list[Address]:
        try:
            return await addresses(parts.hostname or "", _port(parts), anywhere=self.anywhere)
        except (UnknownName, NotPublic) as problem:
            raise NotSentError(str(problem)) from problem


@cache
def _trusted() -> ssl.SSLContext:
    """Whom to trust: reading that in takes as long as many messages."""
    return httpx.create_ssl_context(trust_env=False)


def _text(target: Target) -> str:
    return target.url if isinstance(target, Webhook) else target.connection_string


def _port(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


async def _post(target: Webhook, there: Address, message_id: str, body: bytes, timestamp: str) -> None:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Pileus",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(target.auth_header_value, message_id, timestamp, body),
        target.auth_header_name: target.auth_header_value,
    }
    # The time is bounded outside, for all that is done for a message together.
    options: dict[str, Any] = {"trust_env": False, "follow_redirects": False, "timeout": None}
    async with httpx.AsyncClient(verify=_trusted(), **options) as client:
        request = client.build_request("POST", content=body, **pinned(httpx.URL(target.url), there, headers))
        # What it says is of no interest, however much it says.
        answer = await client.send(request, stream=True)
        await answer.aclose()
    if not answer.is_success:
        refused = answer.is_client_error and answer.status_code not in LATER
        raise NotSentError(f"The subscriber answered {answer.status_code}", refused=refused)


async def _publish(target: Queue, there: Address, message_id: str, body: bytes) -> None:
    # Few servers have such subscribers: the others need not wait for the library.
    import aiormq  # noqa: PLC0415

    properties = aiormq.spec.Basic.Properties(
        content_type="application/json", message_id=message_id, app_id="Pileus", delivery_mode=PERSISTENT
    )
    parts = urlsplit(target.connection_string)
    name: dict[str, Any] = {"server_hostname": parts.hostname} if parts.scheme == "amqps" else {}
    connection = aiormq.Connection(_broker(parts, there), **name)
    try:
        await connection.connect()
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.basic_publish(
            body,
            exchange=target.exchange or "",
            routing_key=target.routing_key or "",
            properties=properties,
            mandatory=True,
        )
    finally:
        await connection.close()


def _broker(parts: SplitResult, there: Address) -> str:
    """The connection string, with an address in the place of the name; a certificate has to be the name's."""
    who = parts.netloc.rpartition("@")[0] or "guest:guest"
    host = f"[{there}]" if there.version == IPV6 else str(there)
    return f"{parts.scheme}://{who}@{host}:{_port(parts)}{parts.path}"
