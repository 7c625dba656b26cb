"""Builders of pools and their parts, in the load balancer of `tests/load_balancers.py`."""

from itertools import count
from typing import Any

from pileus.domain.load_balancers.health_monitors import HealthMonitor
from pileus.domain.load_balancers.l7_policies import L7Policy
from pileus.domain.load_balancers.l7_rules import L7Rule
from pileus.domain.load_balancers.members import Member
from pileus.domain.load_balancers.pool_orders import PartOrigin
from pileus.domain.load_balancers.pools import Pool
from tests.domain.builders import NOW, OWN
from tests.load_balancers import a_load_balancer

ACTIVE = {**OWN, "updated_at": NOW, "provisioning_status": "ACTIVE"}
OF_BALANCER = {**ACTIVE, "load_balancer_id": "b-1"}


def a_pool(**changes: Any) -> Pool:
    """Return an active pool."""
    facts = {"id": "pool-1", "name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    return Pool(**{**facts, **OF_BALANCER, **changes})


def a_member(**changes: Any) -> Member:
    """Return an active member."""
    facts = {"id": "member-1", "pool_id": "pool-1", "address": "10.0.0.5", "protocol_port": 80}
    return Member(**{**facts, **OF_BALANCER, **changes})


def a_monitor(**changes: Any) -> HealthMonitor:
    """Return an active monitor, which notices an outage after 30 seconds and its end after 20."""
    facts = {"id": "monitor-1", "pool_id": "pool-1", "type": "TCP", "delay": 10, "timeout": 5, "max_retries": 2}
    return HealthMonitor(**{**facts, **OF_BALANCER, **changes})


def a_policy(**changes: Any) -> L7Policy:
    """Return an active policy that rejects."""
    facts = {"id": "policy-1", "listener_id": "l-1", "name": "no", "action": "REJECT", "position": 1}
    return L7Policy(**{**facts, **OF_BALANCER, **changes})


def a_rule(**changes: Any) -> L7Rule:
    """Return an active rule."""
    facts = {"id": "rule-1", "l7_policy_id": "policy-1", "type": "PATH", "compare_type": "EQUAL_TO", "value": "/admin"}
    return L7Rule(**{**facts, **OF_BALANCER, **changes})


def an_origin(**changes: Any) -> PartOrigin:
    """Return an origin whose ids are new-1, new-2 and so on."""
    numbers = count(1)
    facts = {"load_balancer": a_load_balancer(), "now": NOW, "new_id": lambda: f"new-{next(numbers)}"}
    return PartOrigin(**{**facts, **changes})
