"""Health monitors: how a pool checks its members."""

from enum import StrEnum
from typing import ClassVar

from pileus.domain.load_balancers.parts import LoadBalancerPart


class HealthMonitorType(StrEnum):
    """The kinds of checks."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    K8S = "K8S"
    PING = "PING"
    TCP = "TCP"
    TLS_HELLO = "TLS-HELLO"
    UDP_CONNECT = "UDP-CONNECT"


class HealthMonitor(LoadBalancerPart, frozen=True, kw_only=True):
    """The health monitor of a pool; `delay` and `timeout` are in seconds."""

    NOUN: ClassVar[str] = "Health monitor"

    pool_id: str
    type: str
    delay: int
    timeout: int
    max_retries: int
    max_retries_down: int = 3
    http_method: str | None = None
    url_path: str | None = None
    expected_codes: str | None = None
    http_version: str | None = None
    domain_name: str | None = None
