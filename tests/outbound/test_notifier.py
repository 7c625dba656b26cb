"""Messages to subscribers: sent by HTTP and AMQP, signed, and only to allowed addresses."""

import asyncio
import base64
import hashlib
import hmac
import socket
from typing import Any

import pytest

from pileus.domain.account.subscriptions import QueueTarget, SubscriptionTarget, WebhookTarget
from pileus.outbound.notifier import SubscriptionNotifier
from pileus.outbound.protocols import NotSentError
from tests.brokers import open_channel, receive_message
from tests.servers import free_port
from tests.subscribers import received_requests, set_answers, subscriber_url

PRIVATE_TOO = SubscriptionNotifier(allow_private=True)
SECRET, NOW = "Bearer only-we-know", 1_700_000_000_000_000


def hook(path: str, **changes: Any) -> WebhookTarget:
    fields = {"url": subscriber_url(path), "auth_header_name": "Authorization", "auth_header_value": SECRET}
    return WebhookTarget(**{**fields, **changes})


async def send_failure(target: SubscriptionTarget, messenger: SubscriptionNotifier = PRIVATE_TOO) -> NotSentError:
    with pytest.raises(NotSentError) as failure:
        await messenger.send(target, "id", b"{}", NOW)
    return failure.value


async def test_a_message_is_posted_with_its_header_and_signed() -> None:
    await PRIVATE_TOO.send(hook("/signed"), "id-1", b'{"a": 1}', NOW)

    (message,) = received_requests("/signed")
    signed = hmac.new(SECRET.encode(), b'id-1.1700000000.{"a": 1}', hashlib.sha256).digest()
    assert message.body == b'{"a": 1}'
    assert message.headers["authorization"] == SECRET
    assert message.headers["content-type"] == "application/json"
    assert (message.headers["webhook-id"], message.headers["webhook-timestamp"]) == ("id-1", "1700000000")
    assert message.headers["webhook-signature"] == f"v1,{base64.b64encode(signed).decode()}"
    assert message.headers["host"] == subscriber_url("/").split("/")[2]


@pytest.mark.parametrize(
    ("status", "refused"),
    [(400, True), (422, True), (401, False), (404, False), (429, False), (500, False), (302, False)],
)
async def test_any_other_response_means_that_it_was_not_delivered(status: int, *, refused: bool) -> None:
    path = f"/answer-{status}"
    set_answers(path, status)

    failure = await send_failure(hook(path))

    assert (str(failure), failure.refused) == (f"The subscriber answered {status}", refused)
    assert received_requests(path) == received_requests("/elsewhere") == []


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (hook("/", url="http://127.0.0.1:1/"), "is not a public address"),
        (hook("/", url="http://localhost/"), "is not a public address"),
        (hook("/", url="http://169.254.169.254/"), "is not a public address"),
        (hook("/", url="http://[::ffff:10.0.0.1]/"), "is not a public address"),
        (hook("/", url="http://[fec0::1]/"), "is not a public address"),
        (hook("/", url="http://[64:ff9b:1::a00:1]/"), "is not a public address"),
        (hook("/", url="http://[::7f00:1]/"), "is not a public address"),
        (hook("/", url="http://[::ffff:0:a00:1]/"), "is not a public address"),
        (hook("/", url="http://168.63.129.16/"), "is not a public address"),
        (QueueTarget(connection_string="amqp://10.0.0.1/"), "is not a public address"),
    ],
)
async def test_messages_go_to_public_addresses_only(target: SubscriptionTarget, message: str) -> None:
    assert message in str(await send_failure(target, SubscriptionNotifier()))
    with pytest.raises(NotSentError, match="the server's setting `subscribers` says which are allowed"):
        await SubscriptionNotifier().check_target(target)


async def test_metadata_services_are_not_public() -> None:
    assert "not a public address" in str(await send_failure(hook("/", url="http://169.254.169.254/latest")))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (hook("/", url=f"http://127.0.0.1:{free_port()}/"), "All connection attempts failed"),
        (hook("/", url="https://nowhere.invalid/"), "The name nowhere.invalid cannot be resolved"),
        (hook("/", url="http://" + "a" * 64 + "/"), "cannot be resolved"),
        (QueueTarget(connection_string=f"amqp://127.0.0.1:{free_port()}/"), "Connect"),
    ],
)
async def test_an_unreachable_subscriber_may_be_tried_again(target: SubscriptionTarget, message: str) -> None:
    failure = await send_failure(target)

    assert message.lower() in str(failure).lower()
    assert not failure.refused


async def test_of_several_addresses_the_first_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at the first."""
    target = hook("/second")

    def answer(_host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("::1", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    await PRIVATE_TOO.send(target, "id-1", b"{}", NOW)

    assert len(received_requests("/second")) == 1


async def test_a_name_that_cannot_be_resolved_yet_may_be_subscribed() -> None:
    await SubscriptionNotifier().check_target(hook("/", url="https://nowhere.invalid/"))
    await PRIVATE_TOO.check_target(hook("/"))


class _GarbageServer(asyncio.Protocol):
    """Answers garbage and closes the connection."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, _: bytes) -> None:
        self.transport.write(b"\x01\x00\x00\x00\x00\x00\x04nope\xce")
        self.transport.close()


@pytest.mark.parametrize("scheme", ["http", "amqp"])
async def test_a_server_with_an_unknown_protocol_fails_the_delivery(scheme: str) -> None:
    server = await asyncio.get_running_loop().create_server(_GarbageServer, "127.0.0.1", 0)
    address = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

    failure = await send_failure(hook("/", url=address) if scheme == "http" else QueueTarget(connection_string=address))
    server.close()

    assert not failure.refused


async def test_a_slow_subscriber_fails_the_delivery() -> None:
    failure = await send_failure(hook("/slow"), SubscriptionNotifier(allow_private=True, seconds=0.2))

    assert str(failure) == "It took more than 0.2 seconds"


async def test_a_message_is_published_where_a_queue_takes_it(rabbit: str) -> None:
    async with open_channel(rabbit, "lines") as channel:
        await channel.exchange_declare("audit", exchange_type="topic")
        await channel.queue_bind("lines", "audit", "cloud.*")
        direct = QueueTarget(connection_string=rabbit, routing_key="lines")
        by_topic = QueueTarget(connection_string=rabbit, exchange="audit", routing_key="cloud.one")

        for number, queue in enumerate((direct, by_topic), 1):
            await PRIVATE_TOO.send(queue, f"id-{number}", str(number).encode(), NOW)

        messages = [await receive_message(channel, "lines") for _ in range(2)]
    received = [(message.header.properties.message_id, message.body) for message in messages]
    assert received == [("id-1", b"1"), ("id-2", b"2")]
    properties = messages[0].header.properties
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"routing_key": "nobody"}, "NO_ROUTE"),
        ({"exchange": "none"}, "no exchange 'none'"),
    ],
)
async def test_a_message_that_goes_to_no_queue_has_not_arrived(
    rabbit: str, changes: dict[str, Any], message: str
) -> None:
    assert message in str(await send_failure(QueueTarget(connection_string=rabbit, **changes)))


async def test_a_wrong_password_is_not_shown(rabbit: str) -> None:
    failure = await send_failure(
        QueueTarget(connection_string=rabbit.replace("guest:guest", "guest:hunter2"), routing_key="x")
    )

    assert "ACCESS_REFUSED" in str(failure)
    assert "hunter2" not in str(failure)
