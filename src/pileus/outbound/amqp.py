"""Publishes messages to brokers, by AMQP 0-9-1."""

from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiormq

from pileus.domain.account.subscriptions import Queue
from pileus.outbound.ssrf_guard import Address, port_of

PERSISTENT, IPV6 = 2, 6


async def publish(target: Queue, there: Address, message_id: str, body: bytes) -> None:
    """Publish a message by a broker's address; raises what the library does where that does not take it."""
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
    return f"{parts.scheme}://{who}@{host}:{port_of(parts.scheme, parts.port)}{parts.path}"
