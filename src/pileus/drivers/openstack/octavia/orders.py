"""The fields of Octavia's resources, from the specifications of Pileus.

Each function returns all fields that can change. What cannot is in `FIXED`: a part with another value is replaced.
"""

from collections.abc import Mapping

from pileus.domain.load_balancers.health_monitors import HealthMonitorType
from pileus.domain.load_balancers.l7_policies import L7Action
from pileus.domain.load_balancers.listener_orders import DEFAULT_CONNECTION_LIMIT
from pileus.domain.load_balancers.pools import BalancingAlgorithm, SessionPersistence
from pileus.drivers.openstack.cloud import Json
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.octavia.providers import OVN
from pileus.drivers.protocols.load_balancers import (
    HealthMonitorSpec,
    L7PolicySpec,
    L7RuleSpec,
    ListenerSpec,
    MemberSpec,
    PoolSpec,
)

EngineIds = Mapping[str, str]
"""The ids in OpenStack by the ids of Pileus."""
NO_LIMIT = -1
FORWARDED = {"X-Forwarded-For": "true", "X-Forwarded-Port": "true", "X-Forwarded-Proto": "true"}
HTTP_MONITORS = frozenset({HealthMonitorType.HTTP, HealthMonitorType.HTTPS})
DEFAULTS: Json = {"http_method": "GET", "url_path": "/", "expected_codes": "200", "http_version": 1.0}
"""What Octavia uses, and shows in part, where an order has no value."""
FIXED = ("protocol", "protocol_port", "type", "loadbalancer_id", "pool_id", "listener_id")
"""The fields of parts that Octavia never changes."""


def listener_order(spec: ListenerSpec, pool: PoolSpec | None, pool_ids: EngineIds) -> Json:
    """Return a listener. Only listeners have time-outs in Octavia: those of its pool count."""
    return {
        "name": engine_name(spec.id),
        "protocol": spec.protocol,
        "protocol_port": spec.protocol_port,
        "admin_state_up": spec.admin_state_up,
        "default_pool_id": pool_ids.get(spec.default_pool_id or ""),
        "connection_limit": NO_LIMIT if spec.connection_limit == DEFAULT_CONNECTION_LIMIT else spec.connection_limit,
        "timeout_client_data": spec.timeout_client_data,
        "timeout_member_connect": (pool and pool.timeout_member_connect) or spec.timeout_member_connect,
        "timeout_member_data": (pool and pool.timeout_member_data) or spec.timeout_member_data,
        "insert_headers": FORWARDED if spec.insert_x_forwarded else {},
        "allowed_cidrs": sorted(spec.allowed_cidrs) if spec.allowed_cidrs else None,
    }


def pool_order(spec: PoolSpec, provider: str) -> Json:
    """Return a pool."""
    return {
        "name": engine_name(spec.id),
        "protocol": spec.protocol,
        "lb_algorithm": _algorithm(spec.lb_algorithm, provider),
        "admin_state_up": spec.admin_state_up,
        "session_persistence": _persistence_order(spec.session_persistence),
    }


def member_order(spec: MemberSpec, subnet_ids: EngineIds) -> Json:
    """Return a member."""
    return {
        "name": engine_name(spec.id),
        "address": spec.address,
        "protocol_port": spec.protocol_port,
        "admin_state_up": spec.admin_state_up,
        "weight": spec.weight,
        "backup": spec.backup,
        "monitor_address": spec.monitor_address,
        "monitor_port": spec.monitor_port,
        "subnet_id": subnet_ids.get(spec.subnet_id or ""),
    }


def monitor_order(spec: HealthMonitorSpec, pool_id: str) -> Json:
    """Return a health monitor; only those that send HTTP requests have such fields."""
    order: Json = {
        "name": engine_name(spec.id),
        "pool_id": pool_id,
        "type": spec.type,
        "admin_state_up": spec.admin_state_up,
        "delay": spec.delay,
        "timeout": spec.timeout,
        "max_retries": spec.max_retries,
        "max_retries_down": spec.max_retries_down,
    }
    if spec.type in HTTP_MONITORS:
        order |= {
            "http_method": spec.http_method,
            "url_path": spec.url_path,
            "expected_codes": spec.expected_codes,
            "http_version": float(spec.http_version) if spec.http_version else None,
            "domain_name": spec.domain_name,
        }
        # Octavia refuses 1.0, but not nothing, in the request that takes the domain away.
        if order["http_version"] == DEFAULTS["http_version"]:
            order["http_version"] = None
    return order


def policy_order(spec: L7PolicySpec, listener_id: str, pool_ids: EngineIds) -> Json:
    """Return an L7 policy."""
    order: Json = {
        "name": engine_name(spec.id),
        "listener_id": listener_id,
        "action": spec.action,
        "position": spec.position,
        "admin_state_up": spec.admin_state_up,
    }
    if spec.action == L7Action.REDIRECT_TO_POOL:
        order["redirect_pool_id"] = pool_ids.get(spec.redirect_pool_id or "")
    elif spec.action == L7Action.REDIRECT_TO_URL:
        order["redirect_url"] = spec.redirect_url
    elif spec.action == L7Action.REDIRECT_PREFIX:
        order["redirect_prefix"] = spec.redirect_prefix
    if spec.redirect_http_code:
        order["redirect_http_code"] = spec.redirect_http_code
    return order


def rule_order(spec: L7RuleSpec) -> Json:
    """Return a rule of an L7 policy. Rules have no name in Octavia."""
    return {
        "tags": [engine_name(spec.id)],
        "type": spec.type,
        "compare_type": spec.compare_type,
        "key": spec.key,
        "value": spec.value,
        "invert": spec.invert,
        "admin_state_up": spec.admin_state_up,
    }


def _algorithm(algorithm: str, provider: str) -> str:
    """OVN has no turns: it chooses a member for each connection by its addresses and ports."""
    takes_turns = algorithm == BalancingAlgorithm.ROUND_ROBIN
    return "SOURCE_IP_PORT" if provider == OVN and takes_turns else algorithm


def _persistence_order(persistence: SessionPersistence | None) -> Json | None:
    if persistence is None:
        return None
    return {
        "type": persistence.type,
        "cookie_name": persistence.cookie_name,
        "persistence_timeout": persistence.persistence_timeout,
        "persistence_granularity": persistence.persistence_granularity,
    }
