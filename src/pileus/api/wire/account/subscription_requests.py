"""Request bodies for subscriptions to the audit log."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.patches import sent_fields
from pileus.domain.account.subscriptions import QueueTarget, WebhookTarget

Address = Annotated[str, Meta(min_length=1, max_length=2000)]
Header = Annotated[str, Meta(max_length=4000)]
Short = Annotated[str, Meta(max_length=255)]


class SubscribeWebhook(Struct, kw_only=True):
    """The URL to post entries to, and the header that authenticates the requests."""

    url: Address
    auth_header_name: Header
    auth_header_value: Header

    def to_webhook(self) -> WebhookTarget:
        """Return the target. Raises Invalid if it cannot be used."""
        return WebhookTarget(
            url=self.url, auth_header_name=self.auth_header_name, auth_header_value=self.auth_header_value
        ).require_valid()


class SubscribeQueue(Struct, kw_only=True):
    """The message broker to publish entries to. The default exchange is used if none is given."""

    connection_string: Address
    exchange: Short | None = None
    routing_key: Short | None = None
    receive_child_client_events: bool = False

    def to_queue(self) -> QueueTarget:
        """Return the target. Raises Invalid if it cannot be used."""
        return QueueTarget(
            connection_string=self.connection_string,
            exchange=self.exchange,
            routing_key=self.routing_key,
            receive_child_client_events=self.receive_child_client_events,
        ).require_valid()


class UpdateQueue(Struct, kw_only=True):
    """Changes of a message broker. Absent fields do not change."""

    connection_string: Address | UnsetType = UNSET
    exchange: Short | UnsetType = UNSET
    routing_key: Short | UnsetType = UNSET
    receive_child_client_events: bool | UnsetType = UNSET

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that were sent."""
        return sent_fields(self)


class TestQueue(Struct, kw_only=True):
    """The message broker to publish a test message to."""

    connection_string: Address
    exchange: Short | None = None
    routing_key: Short | None = None

    def to_queue(self) -> QueueTarget:
        """Return the target. Raises Invalid if it cannot be used."""
        return QueueTarget(
            connection_string=self.connection_string, exchange=self.exchange, routing_key=self.routing_key
        ).require_valid()
