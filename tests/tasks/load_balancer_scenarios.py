"""Scenarios of the operations on load balancers and listeners."""

from collections.abc import Callable
from typing import Any

from tests.balancers import MEMBER, MONITOR, POOL, a_balanced_tree
from tests.networks import a_routed_network
from tests.tasks.scenario import Path, Scenario, SendRequest, request
from tests.tenants import Tenant

MakePath = Callable[[Tenant, dict[str, str]], Path]
HTTP: dict[str, Any] = {"name": "http", "protocol": "HTTP", "protocol_port": 8080}


def _change(method: str, make_path: MakePath, body: Any = None) -> Scenario:
    """Change a load balancer that has a part of each kind."""

    async def prepare(tenant: Tenant) -> SendRequest:
        return request(method, make_path(tenant, await a_balanced_tree(tenant)), body)

    return Scenario(prepare)


def _balancer(tenant: Tenant, ids: dict[str, str], *rest: str, version: int = 1) -> Path:
    return tenant.path("loadbalancers", ids["load_balancer_id"], *rest, version=version)


def _listener(tenant: Tenant, ids: dict[str, str], version: int = 1) -> Path:
    return tenant.path("lblisteners", ids["listener_id"], version=version)


async def _create_balancer(tenant: Tenant) -> SendRequest:
    network, _ = await a_routed_network(tenant)
    body = {
        "name": "web",
        "vip_network_id": network.id,
        "floating_ip": {"source": "new"},
        "listeners": [{**HTTP, "pools": [{**POOL, "members": [MEMBER], "healthmonitor": MONITOR}]}],
        "tags": {"env": "prod"},
    }
    return request("POST", tenant.path("loadbalancers"), body)


async def _create_listener(tenant: Tenant) -> SendRequest:
    ids = await a_balanced_tree(tenant)
    return request("POST", tenant.path("lblisteners"), {**HTTP, "load_balancer_id": ids["load_balancer_id"]})


async def _delete_tag(tenant: Tenant) -> SendRequest:
    ids = await a_balanced_tree(tenant)
    await tenant.api.post(_balancer(tenant, ids, "metadata"), json={"env": "prod"})
    return request("DELETE", _balancer(tenant, ids, "metadata_item", version=2) + "?key=env")


LOAD_BALANCER_SCENARIOS: dict[str, Scenario] = {
    "create_loadbalancer": Scenario(_create_balancer),
    "update_loadbalancer": _change(
        "PATCH",
        lambda tenant, ids: _balancer(tenant, ids, version=2),
        {"name": "other", "admin_state_up": False, "tags": {"env": "test"}},
    ),
    "delete_loadbalancer": _change("DELETE", _balancer),
    "failover_loadbalancer": _change("POST", lambda tenant, ids: _balancer(tenant, ids, "failover"), {}),
    "resize_loadbalancer": _change("POST", lambda tenant, ids: _balancer(tenant, ids, "resize"), {"flavor": "lb1-2-4"}),
    "update_lbmetadata": _change(
        "POST", lambda tenant, ids: _balancer(tenant, ids, "metadata", version=2), {"env": "test"}
    ),
    "replace_lbmetadata": _change(
        "PUT", lambda tenant, ids: _balancer(tenant, ids, "metadata", version=2), {"env": "test"}
    ),
    "delete_lbmetadata": Scenario(_delete_tag),
    "create_lblistener": Scenario(_create_listener),
    "patch_lblistener": _change("PATCH", lambda tenant, ids: _listener(tenant, ids, 2), {"name": "other"}),
    "delete_lblistener": _change("DELETE", lambda tenant, ids: _listener(tenant, ids) + "?delete_default_pool=true"),
}
