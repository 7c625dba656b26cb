"""Builders of stored load balancers, and calls that change their parts."""

from typing import Any

from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.store.database import Tx
from pileus.store.load_balancers import listeners, load_balancers
from tests.builders import a_port, updated_record_fields
from tests.load_balancers import a_listener, a_load_balancer
from tests.tenants import Tenant

POOL = {"name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
MONITOR = {"type": "TCP", "delay": 10, "timeout": 5, "max_retries": 2}
MEMBER = {"address": "203.0.113.10", "protocol_port": 80}
POLICY = {"action": "REJECT", "name": "no-admin"}
RULE = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/admin"}


async def a_balancer(tenant: Tenant, **changes: Any) -> LoadBalancer:
    """Add a load balancer with a public address."""
    port = await a_port(tenant)
    balancer = a_load_balancer(**{**updated_record_fields(tenant), "vip_port_id": port.id, **changes})
    return await tenant.running.app_state.db.write(lambda tx: load_balancers.add(tx, balancer))


async def a_balanced_listener(tenant: Tenant, balancer: LoadBalancer | None = None, **changes: Any) -> Listener:
    """Add a listener, by default an HTTP listener of a new load balancer."""
    balancer = balancer or await a_balancer(tenant)
    listener = a_listener(**{**updated_record_fields(tenant), "load_balancer_id": balancer.id, **changes})

    async def write(tx: Tx) -> Listener:
        return await listeners.add(tx, listener)

    return await tenant.running.app_state.db.write(write)


async def create_part(tenant: Tenant, kind: str, path: str, **body: Any) -> str:
    """Create a part of a load balancer, wait for its task, and return its id; `kind` is that of created resources."""
    task = await tenant.wait_until_finished(await tenant.api.post(path, json=body))
    (part_id,) = task["created_resources"][kind]
    return str(part_id)


async def create_pool(tenant: Tenant, listener: Listener | None = None, **body: Any) -> str:
    """Create the default pool of a listener, by default of a new one, and return its id."""
    listener = listener or await a_balanced_listener(tenant)
    return await create_part(tenant, "pools", tenant.path("lbpools"), **{**POOL, "listener_id": listener.id, **body})


def members_path(tenant: Tenant, pool_id: str, *rest: str) -> str:
    """Return the path of the members of a pool, or of one."""
    return tenant.path("loadbalancers", "pools", pool_id, "members", *rest)
