"""Builders of load balancers and their parts."""

from typing import Any

from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from tests.domain.builders import NOW, OWN


def a_load_balancer(**changes: Any) -> LoadBalancer:
    """Return an active load balancer."""
    facts = {
        "id": "b-1",
        "name": "web",
        "flavor_name": "lb1-1-2",
        "vip_port_id": "p-1",
        "vip_address": "10.0.0.9",
        "vip_ip_family": "ipv4",
        "provisioning_status": "ACTIVE",
    }
    return LoadBalancer(**{**facts, **OWN, "updated_at": NOW, **changes})


def a_listener(**changes: Any) -> Listener:
    """Return an active HTTP listener of that load balancer."""
    facts = {
        "id": "l-1",
        "name": "http",
        "load_balancer_id": "b-1",
        "protocol": "HTTP",
        "protocol_port": 80,
        "connection_limit": 100_000,
        "timeout_client_data": 50_000,
        "timeout_member_connect": 5_000,
        "timeout_member_data": 50_000,
        "provisioning_status": "ACTIVE",
    }
    return Listener(**{**facts, **OWN, "updated_at": NOW, **changes})
