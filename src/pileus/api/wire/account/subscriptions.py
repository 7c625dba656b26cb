"""Subscriptions to the audit log: as the API shows them, and the bodies that make and change them."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.patches import present_fields
from pileus.domain.account.subscriptions import HIDDEN, Queue, Webhook

Address = Annotated[str, Meta(min_length=1, max_length=2000)]
Header = Annotated[str, Meta(max_length=4000)]
Short = Annotated[str, Meta(max_length=255)]


class WebhookView(Struct, kw_only=True):
    """An address that lines are posted to; the header's value is hidden."""

    id: int
    url: str
    auth_header_name: str
    auth_header_value: str

    @classmethod
    def of(cls, subscription_id: int, target: Webhook) -> "WebhookView":
        """Show a subscription."""
        return cls(
            id=subscription_id, url=target.url, auth_header_name=target.auth_header_name, auth_header_value=HIDDEN
        )


class QueueView(Struct, kw_only=True):
    """A message broker that lines are published to; its password is hidden."""

    id: int
    connection_string: str
    exchange: str | None
    routing_key: str | None
    receive_child_client_events: bool

    @classmethod
    def of(cls, subscription_id: int, target: Queue) -> "QueueView":
        """Show a subscription."""
        return cls(
            id=subscription_id,
            connection_string=target.address_without_password,
            exchange=target.exchange,
            routing_key=target.routing_key,
            receive_child_client_events=target.receive_child_client_events,
        )


class Subscribe(Struct, kw_only=True):
    """Where to post lines, and the header that says who posts."""

    url: Address
    auth_header_name: Header
    auth_header_value: Header

    def target(self) -> Webhook:
        """Say it in the rules' words; raises Invalid for what cannot be used."""
        return Webhook(
            url=self.url, auth_header_name=self.auth_header_name, auth_header_value=self.auth_header_value
        ).checked()


class SubscribeQueue(Struct, kw_only=True):
    """Where to publish lines; without an exchange to the default one."""

    connection_string: Address
    exchange: Short | None = None
    routing_key: Short | None = None
    receive_child_client_events: bool = False

    def target(self) -> Queue:
        """Say it in the rules' words; raises Invalid for what cannot be used."""
        return Queue(
            connection_string=self.connection_string,
            exchange=self.exchange,
            routing_key=self.routing_key,
            receive_child_client_events=self.receive_child_client_events,
        ).checked()


class UpdateQueue(Struct, kw_only=True):
    """What is to change about where lines are published."""

    connection_string: Address | UnsetType = UNSET
    exchange: Short | UnsetType = UNSET
    routing_key: Short | UnsetType = UNSET
    receive_child_client_events: bool | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """What was given."""
        return present_fields(self)


class TestQueue(Struct, kw_only=True):
    """Where to publish a message to see whether it arrives."""

    connection_string: Address
    exchange: Short | None = None
    routing_key: Short | None = None

    def target(self) -> Queue:
        """Say it in the rules' words; raises Invalid for what cannot be used."""
        return Queue(
            connection_string=self.connection_string, exchange=self.exchange, routing_key=self.routing_key
        ).checked()
