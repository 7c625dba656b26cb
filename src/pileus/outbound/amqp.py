"""Publishes messages to brokers, by AMQP 0-9-1."""

from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiormq

from pileus.domain.account.subscriptions import QueueTarget
from pileus.outbound.ssrf_guard import Address, port_or_scheme_default

PERSISTENT, IPV6 = 2, 6


async def publish(target: QueueTarget, address: Address, message_id: str, body: bytes) -> None:
    """Publish a message at one address of the broker, and wait for its confirmation. Raises what aiormq raises."""
    properties = aiormq.spec.Basic.Properties(
        content_type="application/json", message_id=message_id, app_id="Pileus", delivery_mode=PERSISTENT
    )
    parts = urlsplit(target.connection_string)
    tls_options: dict[str, Any] = {"server_hostname": parts.hostname} if parts.scheme == "amqps" else {}
    connection = aiormq.Connection(_connection_string(parts, address), **tls_options)
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


def _connection_string(parts: SplitResult, address: Address) -> str:
    """Replace the host name by an address. The certificate is checked against the name all the same."""
    credentials = parts.netloc.rpartition("@")[0] or "guest:guest"
    host = f"[{address}]" if address.version == IPV6 else str(address)
    return f"{parts.scheme}://{credentials}@{host}:{port_or_scheme_default(parts.scheme, parts.port)}{parts.path}"
