"""Sends messages to the subscribers of tenants, by HTTP or AMQP."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from pileus.domain.account.subscriptions import SubscriptionTarget, WebhookTarget
from pileus.outbound.protocols import NotSentError
from pileus.outbound.ssrf_guard import (
    Address,
    AddressNotPublic,
    UnknownHostName,
    port_or_scheme_default,
    resolve_allowed_addresses,
)

SECONDS = 10.0
"""The time limit for one message."""


@dataclass(frozen=True, slots=True)
class SubscriptionNotifier:
    """Fulfils Notifier; `allow_private` lets tenants name addresses that are not public."""

    allow_private: bool = False
    seconds: float = SECONDS

    async def check_target(self, target: SubscriptionTarget) -> None:
        """Check a target's addresses. Raises NotSentError."""
        # A name that is unknown now may be known later.
        with suppress(UnknownHostName):
            try:
                await self._addresses(target)
            except AddressNotPublic as problem:
                raise NotSentError(
                    f"{problem}; the server's setting `subscribers` says which are allowed", refused=True
                ) from None

    async def send(self, target: SubscriptionTarget, message_id: str, body: bytes, now: int) -> None:
        """Send one message. Raises NotSentError."""
        try:
            async with asyncio.timeout(self.seconds):
                await self._send(target, message_id, body, str(now // 1_000_000))
        except TimeoutError:
            raise NotSentError(f"It took more than {self.seconds:g} seconds") from None
        except NotSentError:
            raise
        except Exception as problem:
            # A foreign server can make the libraries fail in any way: the message was not delivered.
            raise NotSentError(str(problem) or type(problem).__name__) from problem

    async def _send(self, target: SubscriptionTarget, message_id: str, body: bytes, timestamp: str) -> None:
        """Send to the first address that can be reached."""
        *others, last = await self._addresses(target)
        for address in (*others, last):
            try:
                await _deliver(target, address, message_id, body, timestamp)
            except ConnectionError:
                if address is last:
                    raise
            else:
                return

    async def _addresses(self, target: SubscriptionTarget) -> list[Address]:
        """Resolve a target's host name. Raises UnknownHostName or AddressNotPublic."""
        parts = urlsplit(_url(target))
        return await resolve_allowed_addresses(
            parts.hostname or "", port_or_scheme_default(parts.scheme, parts.port), allow_private=self.allow_private
        )


def _url(target: SubscriptionTarget) -> str:
    return target.url if isinstance(target, WebhookTarget) else target.connection_string


async def _deliver(target: SubscriptionTarget, address: Address, message_id: str, body: bytes, timestamp: str) -> None:
    """Send a message to one address."""
    if isinstance(target, WebhookTarget):
        from pileus.outbound.webhooks import post  # noqa: PLC0415  # slow to import, and few servers need it

        await post(target, address, message_id, body, timestamp)
    else:
        from pileus.outbound.amqp import publish  # noqa: PLC0415  # slow to import, and few servers need it

        await publish(target, address, message_id, body)
