"""Requests that fill one limit of listeners: one for each such row of the table of limits."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from pileus.domain import limits
from tests.api.foreign_ids import MISSING
from tests.balancers import a_balanced_listener
from tests.networks import a_secret
from tests.tenants import Tenant


async def create_listeners(tenant: Tenant, count: int) -> httpx.Response:
    """Create a load balancer with listeners, one of them of protocol PROMETHEUS."""
    listeners = [
        {"name": "web", "protocol": "PROMETHEUS" if port == 1 else "TCP", "protocol_port": port}
        for port in range(1, count + 1)
    ]
    return await tenant.api.post(tenant.path("loadbalancers"), json={"name": "web", "listeners": listeners})


async def allow_ranges(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_listener(tenant, allowed_cidrs=[f"10.0.{number}.0/24" for number in range(count)])


async def name_listener_users(tenant: Tenant, count: int) -> httpx.Response:
    users = [{"username": f"user-{number}", "encrypted_password": "$5$salt$hash"} for number in range(count)]
    return await _create_listener(tenant, user_list=users)


async def name_certificates(tenant: Tenant, count: int) -> httpx.Response:
    """Name certificates in a change of a listener that has them already."""
    existing = [(await a_secret(tenant)).id for _ in range(limits.SNI_SECRETS.value)]
    listener = await a_balanced_listener(tenant, protocol="TERMINATED_HTTPS", sni_secret_ids=existing)
    path = tenant.path("lblisteners", listener.id, version=2)
    return await tenant.api.patch(path, json={"sni_secret_id": [*existing, MISSING][:count]})


async def _create_listener(tenant: Tenant, **body: Any) -> httpx.Response:
    listener = {"name": "web", "protocol": "HTTP", "protocol_port": 80, **body}
    return await tenant.api.post(tenant.path("loadbalancers"), json={"name": "web", "listeners": [listener]})


LISTENER_ORDERS: dict[limits.Limit, Callable[[Tenant, int], Awaitable[httpx.Response]]] = {
    limits.LOAD_BALANCER_LISTENERS: create_listeners,
    limits.ALLOWED_CIDRS: allow_ranges,
    limits.LISTENER_USERS: name_listener_users,
    limits.SNI_SECRETS: name_certificates,
}
