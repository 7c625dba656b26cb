"""Builders of stored load balancers, and calls that change their parts."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.trees import Parts
from pileus.drivers.protocols.load_balancers import LoadBalancerSpec
from pileus.drivers.protocols.network import NicSpec
from pileus.store.database import Tx
from pileus.store.load_balancers import listeners, load_balancers, trees
from pileus.store.network import ports
from tests.builders import a_port, driver_of, updated_record_fields
from tests.domain.load_balancers import a_member, a_monitor, a_policy, a_pool, a_rule
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


async def part_fields(tenant: Tenant, listener: Listener | None = None) -> Callable[[], dict[str, Any]]:
    """Return a function that makes the fields of a new part of a load balancer, by default of a new one."""
    listener = listener or await a_balanced_listener(tenant)
    return lambda: {**updated_record_fields(tenant), "load_balancer_id": listener.load_balancer_id}


async def a_balanced_tree(tenant: Tenant, name: str = "web", *, with_monitor: bool = True) -> dict[str, str]:
    """Add a load balancer with a part of each kind, in the driver as well; return all ids by path parameter."""
    listener = await a_balanced_listener(tenant, name=name)
    fields = await part_fields(tenant, listener)
    pool = a_pool(**fields(), name=name)
    policy = a_policy(**fields(), name=name, listener_id=listener.id)
    parts = Parts(
        pools=[pool],
        members=[a_member(**fields(), pool_id=pool.id)],
        health_monitors=[a_monitor(**fields(), pool_id=pool.id)] if with_monitor else [],
        l7_policies=[policy],
        l7_rules=[a_rule(**fields(), l7_policy_id=policy.id)],
    )

    async def write(tx: Tx) -> LoadBalancerSpec:
        await trees.add_parts(tx, parts)
        await listeners.save(tx, listener, replace(listener, default_pool_id=pool.id))
        tree = await trees.load(tx, listener.load_balancer_id)
        return LoadBalancerSpec.of(tree, await _load_nic(tx, tree.load_balancer.vip_port_id), [])

    await driver_of(tenant.running).ensure_load_balancer(await tenant.running.app_state.db.write(write))
    return {
        "load_balancer_id": listener.load_balancer_id,
        "listener_id": listener.id,
        "pool_id": pool.id,
        "member_id": parts.members[0].id,
        "l7_policy_id": policy.id,
        "l7_rule_id": parts.l7_rules[0].id,
    }


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


async def _load_nic(tx: Tx, port_id: str) -> NicSpec:
    port = await ports.require(tx, port_id)
    return NicSpec(
        port_id=port.id,
        network_id=port.network_id,
        mac_address=port.mac_address,
        addresses=[address.ip for address in await ports.list_addresses(tx, port_id)],
        secured=port.port_security_enabled,
    )
