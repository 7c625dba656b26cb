"""Takes messages to the subscribers of tenants, by HTTP or by AMQP, within bounds: how long, and to where."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from pileus.domain.account.subscriptions import Target, Webhook
from pileus.outbound.protocols import NotSentError
from pileus.outbound.ssrf_guard import Address, NotPublic, UnknownName, port_of, resolve_public

SECONDS = 10.0
"""For one message, all in all."""


@dataclass(frozen=True, slots=True)
class Messenger:
    """By HTTP and AMQP; `anywhere` lets tenants name addresses that are not public."""

    anywhere: bool = False
    seconds: float = SECONDS

    async def check(self, target: Target) -> None:
        """Judge an address; a name that leads nowhere now may do so later. Raises NotSentError."""
        with suppress(UnknownName):
            try:
                await self._addresses(target)
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
        *others, last = await self._addresses(target)
        for there in (*others, last):
            try:
                await _carried(target, there, message_id, body, timestamp)
            except ConnectionError:
                if there is last:
                    raise
            else:
                return

    async def _addresses(self, target: Target) -> list[Address]:
        """Where a target's name leads; raises UnknownName or NotPublic."""
        parts = urlsplit(_text(target))
        return await resolve_public(parts.hostname or "", port_of(parts.scheme, parts.port), anywhere=self.anywhere)


def _text(target: Target) -> str:
    return target.url if isinstance(target, Webhook) else target.connection_string


async def _carried(target: Target, there: Address, message_id: str, body: bytes, timestamp: str) -> None:
    """Carry a message to one address, by libraries that a server without subscribers need not wait for."""
    if isinstance(target, Webhook):
        from pileus.outbound.webhooks import post  # noqa: PLC0415

        await post(target, there, message_id, body, timestamp)
    else:
        from pileus.outbound.amqp import publish  # noqa: PLC0415

        await publish(target, there, message_id, body)
