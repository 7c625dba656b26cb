"""Settings of health monitors: validation, and the defaults that depend on the type."""

import re

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import invalid
from pileus.domain.load_balancers.health_monitors import HealthMonitor, HealthMonitorType
from pileus.domain.load_balancers.pools import PoolProtocol

HTTP_TYPES = frozenset({HealthMonitorType.HTTP, HealthMonitorType.HTTPS})
UDP_POOL_TYPES = frozenset({HealthMonitorType.UDP_CONNECT, HealthMonitorType.TCP, HealthMonitorType.HTTP})
UDP_MIN_DELAY = 3
HTTP_FIELDS = ("http_method", "url_path", "expected_codes", "domain_name", "http_version")
CODE = "[1-5][0-9][0-9]"
CODES = re.compile(rf"{CODE}(?: *, *{CODE})*|({CODE})-({CODE})")


class MonitorSettings(Struct, frozen=True, kw_only=True):
    """How a health monitor checks members; `delay` and `timeout` are in seconds."""

    type: str
    delay: int
    timeout: int
    max_retries: int
    max_retries_down: int = 3
    admin_state_up: bool = True
    http_method: str | None = None
    url_path: str | None = None
    expected_codes: str | None = None
    http_version: str | None = None
    domain_name: str | None = None


def monitor_settings_of(monitor: HealthMonitor) -> MonitorSettings:
    """Return the settings of a monitor."""
    return MonitorSettings(**{name: getattr(monitor, name) for name in MonitorSettings.__struct_fields__})


def complete_monitor_settings(settings: MonitorSettings, pool_protocol: str) -> MonitorSettings:
    """Return the settings with the defaults of their type. Raises Invalid."""
    if settings.timeout >= settings.delay:
        raise invalid(timeout=f"A check must end before the next one begins: less than delay ({settings.delay})")
    _check_type(settings, pool_protocol)
    if settings.type in HTTP_TYPES:
        return _complete_http_settings(settings)
    for name in HTTP_FIELDS:
        if getattr(settings, name) is not None:
            raise invalid(**{name: f"Monitors of type {settings.type} have no such field: only HTTP and HTTPS have it"})
    return settings


def _check_type(settings: MonitorSettings, pool_protocol: str) -> None:
    if pool_protocol == PoolProtocol.UDP:
        if settings.type not in UDP_POOL_TYPES:
            raise invalid(type=f"The type for a pool of protocol UDP is one of {', '.join(sorted(UDP_POOL_TYPES))}")
    elif settings.type == HealthMonitorType.UDP_CONNECT:
        raise invalid(type="UDP-CONNECT is for pools of protocol UDP")
    if settings.type == HealthMonitorType.UDP_CONNECT and settings.delay < UDP_MIN_DELAY:
        raise invalid(delay=f"Input should be greater than or equal to {UDP_MIN_DELAY} for UDP-CONNECT")


def _complete_http_settings(settings: MonitorSettings) -> MonitorSettings:
    if settings.domain_name is not None and settings.http_version != "1.1":
        raise invalid(domain_name="A domain name needs http_version 1.1")
    complete = replace(
        settings,
        http_method=settings.http_method or "GET",
        url_path=settings.url_path or "/",
        expected_codes=settings.expected_codes or "200",
    )
    _check_expected_codes(complete.expected_codes or "")
    if "//" in (complete.url_path or ""):
        raise invalid(url_path="A path has no empty part (//)")
    return complete


def _check_expected_codes(codes: str) -> None:
    match = CODES.fullmatch(codes)
    if match is None:
        raise invalid(expected_codes="Give a code (200), a list (200,202) or a range (200-204)")
    if match[1] and match[1] > match[2]:
        raise invalid(expected_codes="A range begins with the lower code")
