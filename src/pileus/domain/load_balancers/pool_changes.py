"""Changes to pools and to their health monitors."""

from collections.abc import Mapping
from typing import Any, TypedDict

from msgspec import Struct
from msgspec.structs import asdict, replace

from pileus.domain.errors import Conflict, invalid, nest_field_errors
from pileus.domain.load_balancers.health_monitors import HealthMonitor
from pileus.domain.load_balancers.l7_policies import L7Policy
from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.monitor_settings import (
    MonitorSettings,
    complete_monitor_settings,
    monitor_settings_of,
)
from pileus.domain.load_balancers.pool_orders import PartOrigin, check_pool_settings, plan_health_monitor
from pileus.domain.load_balancers.pool_protocols import check_pool_accepted
from pileus.domain.load_balancers.pools import Pool, SessionPersistence


class PoolPatch(TypedDict, total=False):
    """Changes to a pool itself. An absent key leaves the field unchanged."""

    name: str
    protocol: str
    lb_algorithm: str
    admin_state_up: bool
    session_persistence: SessionPersistence | None
    secret_id: str | None
    ca_secret_id: str | None
    crl_secret_id: str | None
    timeout_client_data: int | None
    timeout_member_connect: int | None
    timeout_member_data: int | None


class MonitorReplacement(Struct, frozen=True, kw_only=True):
    """The settings that replace those of a pool's health monitor. A type of None is that of the existing monitor."""

    type: str | None = None
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


def pool_with_patch(pool: Pool, patch: PoolPatch, listeners: list[Listener], monitor: HealthMonitor | None) -> Pool:
    """Return the pool with changes applied.

    Raises Invalid if they contradict each other, its health monitor, or the protocol of a listener that uses the pool.
    """
    after = replace(pool, **patch)
    check_pool_settings(after)
    if after != pool:
        for listener in listeners:
            check_pool_accepted(listener.protocol, after)
    if monitor is not None and after.protocol != pool.protocol:
        with nest_field_errors("healthmonitor"):
            complete_monitor_settings(monitor_settings_of(monitor), after.protocol)
    return after


def monitor_with_patch(monitor: HealthMonitor, patch: Mapping[str, Any], pool_protocol: str) -> HealthMonitor:
    """Return the monitor with changes applied; null stands for the default of the type. Raises Invalid."""
    settings = replace(monitor_settings_of(monitor), **patch)
    return _with_settings(monitor, settings, pool_protocol)


def plan_monitor_replacement(
    origin: PartOrigin, pool: Pool, existing: HealthMonitor | None, replacement: MonitorReplacement
) -> HealthMonitor:
    """Return the new record of a pool's monitor, which keeps its id and its type if there is one. Raises Invalid."""
    type_name = replacement.type or (existing.type if existing else None)
    if type_name is None:
        raise invalid(type="Field required")
    if existing is not None and type_name != existing.type:
        raise invalid(type=f"The type of a monitor cannot be changed: it is {existing.type}")
    settings = MonitorSettings(**(asdict(replacement) | {"type": type_name}))
    if existing is None:
        return plan_health_monitor(origin, pool, settings)
    return _with_settings(existing, settings, pool.protocol)


def check_pool_removable(pool: Pool, policies: list[L7Policy]) -> None:
    """Raise Conflict if an L7 policy redirects to the pool."""
    if policies:
        raise Conflict(f"Pool {pool.id} is in use: L7 policy {policies[0].id} redirects to it")


def _with_settings(monitor: HealthMonitor, settings: MonitorSettings, pool_protocol: str) -> HealthMonitor:
    return replace(monitor, **asdict(complete_monitor_settings(settings, pool_protocol)))
