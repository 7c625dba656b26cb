"""Pools: members that share the traffic of listeners."""

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct

from pileus.domain.load_balancers.parts import LoadBalancerPart


class PoolProtocol(StrEnum):
    """The protocols between a load balancer and members."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    PROXY = "PROXY"
    PROXYV2 = "PROXYV2"
    TCP = "TCP"
    UDP = "UDP"


class BalancingAlgorithm(StrEnum):
    """How a pool chooses a member."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_CONNECTIONS = "LEAST_CONNECTIONS"
    SOURCE_IP = "SOURCE_IP"


class SessionPersistenceType(StrEnum):
    """What binds a client to a member."""

    APP_COOKIE = "APP_COOKIE"
    HTTP_COOKIE = "HTTP_COOKIE"
    SOURCE_IP = "SOURCE_IP"


class SessionPersistence(Struct, frozen=True):
    """What binds a client to a member, and for how long."""

    type: str
    cookie_name: str | None = None
    persistence_granularity: str | None = None
    persistence_timeout: int | None = None


class Pool(LoadBalancerPart, frozen=True, kw_only=True):
    """A pool. Listeners refer to it by `default_pool_id`, L7 policies by `redirect_pool_id`.

    Time-outs are in milliseconds; those of None are the listener's. The secrets are for TLS to members.
    """

    NOUN: ClassVar[str] = "Pool"

    name: str
    protocol: str
    lb_algorithm: str
    session_persistence: SessionPersistence | None = None
    secret_id: str | None = None
    ca_secret_id: str | None = None
    crl_secret_id: str | None = None
    timeout_client_data: int | None = None
    timeout_member_connect: int | None = None
    timeout_member_data: int | None = None

    @property
    def secret_ids(self) -> list[str]:
        """The ids of its secrets, each once."""
        ids = (self.secret_id, self.ca_secret_id, self.crl_secret_id)
        return list(dict.fromkeys(secret_id for secret_id in ids if secret_id))
