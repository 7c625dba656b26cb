"""Listeners: the ports and protocols that a load balancer serves."""

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct, field

from pileus.domain.load_balancers.parts import LoadBalancerPart


class ListenerProtocol(StrEnum):
    """The protocols of listeners."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    TCP = "TCP"
    UDP = "UDP"
    TERMINATED_HTTPS = "TERMINATED_HTTPS"
    PROMETHEUS = "PROMETHEUS"


class ListenerUser(Struct, frozen=True):
    """A user who may use a listener, with the hash of the password."""

    username: str
    encrypted_password: str


class Listener(LoadBalancerPart, frozen=True, kw_only=True):
    """A listener. Time-outs are in milliseconds; `allowed_cidrs` of None is open to everybody."""

    NOUN: ClassVar[str] = "Listener"

    name: str
    protocol: str
    protocol_port: int
    default_pool_id: str | None = None
    connection_limit: int
    timeout_client_data: int
    timeout_member_connect: int
    timeout_member_data: int
    insert_x_forwarded: bool = False
    secret_id: str | None = None
    sni_secret_ids: list[str] = field(default_factory=list)
    allowed_cidrs: list[str] | None = None
    user_list: list[ListenerUser] = field(default_factory=list)

    @property
    def secret_ids(self) -> list[str]:
        """The ids of its secrets, each once: the default certificate first."""
        return list(dict.fromkeys(secret_id for secret_id in (self.secret_id, *self.sni_secret_ids) if secret_id))
