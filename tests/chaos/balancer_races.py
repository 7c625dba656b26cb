"""The races of load balancers and of secrets: a request that uses a record and one that deletes it."""

from typing import Any

from tests.certificates import A_CERTIFICATE
from tests.chaos.races import create, create_network, create_subnet, deletion, id_of
from tests.chaos.references import Request, covers
from tests.tenants import REGION, Tenant

WEB = {"name": "web"}
POOL = {"name": "machines", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
MEMBER = {"address": "10.9.0.9", "protocol_port": 80}
HTTPS = {"name": "www", "protocol": "TERMINATED_HTTPS", "protocol_port": 443}
PARTS = ("health_monitors", "l7_policies", "l7_rules", "listeners", "members", "pools")
"""Tables of the parts of a load balancer, which the deletion of its project locks."""


async def create_load_balancer(tenant: Tenant) -> str:
    return await create(tenant, "loadbalancers", WEB)


async def create_pool(tenant: Tenant, load_balancer_id: str) -> str:
    return await create(tenant, "lbpools", {**POOL, "load_balancer_id": load_balancer_id}, kind="pools")


async def create_secret(tenant: Tenant) -> str:
    return await create(tenant, "secrets", A_CERTIFICATE, version=2)


@covers("load_balancers.vip_port_id", "ports.load_balancer_id")
async def create_load_balancer_at_reserved_address(tenant: Tenant) -> tuple[Request, Request]:
    port_id = await create(tenant, "reserved_fixed_ips", {"type": "external"}, kind="ports")
    use = ("POST", tenant.path("loadbalancers"), {**WEB, "vip_port_id": port_id})
    return use, deletion(tenant, "reserved_fixed_ips", port_id)


@covers("ports.network_id", "addresses.subnet_id")
async def create_load_balancer_in_network(tenant: Tenant) -> tuple[Request, Request]:
    network_id = await create_network(tenant)
    await create_subnet(tenant, network_id)
    use = ("POST", tenant.path("loadbalancers"), {**WEB, "vip_network_id": network_id})
    return use, deletion(tenant, "networks", network_id)


@covers("ports.network_id", "addresses.subnet_id")
async def create_load_balancer_in_subnet(tenant: Tenant) -> tuple[Request, Request]:
    network_id = await create_network(tenant)
    subnet_id = await create_subnet(tenant, network_id)
    body = {**WEB, "vip_network_id": network_id, "vip_subnet_id": subnet_id}
    return ("POST", tenant.path("loadbalancers"), body), deletion(tenant, "subnets", subnet_id)


@covers("members.subnet_id", "addresses.subnet_id")
async def add_member_in_subnet(tenant: Tenant) -> tuple[Request, Request]:
    subnet_id = await create_subnet(tenant, await create_network(tenant))
    pool_id = await create_pool(tenant, await create_load_balancer(tenant))
    path = tenant.path("loadbalancers", "pools", pool_id, "members")
    return ("POST", path, {**MEMBER, "subnet_id": subnet_id}), deletion(tenant, "subnets", subnet_id)


@covers("members.load_balancer_id", "members.pool_id", "ports.load_balancer_id")
async def add_member_to_deleted_load_balancer(tenant: Tenant) -> tuple[Request, Request]:
    subnet_id = await create_subnet(tenant, await create_network(tenant))
    load_balancer_id = await create_load_balancer(tenant)
    path = tenant.path("loadbalancers", "pools", await create_pool(tenant, load_balancer_id), "members")
    return ("POST", path, {**MEMBER, "subnet_id": subnet_id}), deletion(tenant, "loadbalancers", load_balancer_id)


@covers("pools.load_balancer_id")
async def create_pool_of_deleted_load_balancer(tenant: Tenant) -> tuple[Request, Request]:
    load_balancer_id = await create_load_balancer(tenant)
    use = ("POST", tenant.path("lbpools"), {**POOL, "load_balancer_id": load_balancer_id})
    return use, deletion(tenant, "loadbalancers", load_balancer_id)


@covers("secret_uses.secret_id", "listeners.secret_id")
async def create_listener_with_certificate(tenant: Tenant) -> tuple[Request, Request]:
    load_balancer_id, secret_id = await create_load_balancer(tenant), await create_secret(tenant)
    body = {**HTTPS, "load_balancer_id": load_balancer_id, "secret_id": secret_id}
    return ("POST", tenant.path("lblisteners"), body), deletion(tenant, "secrets", secret_id)


@covers("secret_uses.secret_id", "pools.secret_id", "pools.ca_secret_id")
async def create_pool_with_certificate(tenant: Tenant) -> tuple[Request, Request]:
    load_balancer_id, secret_id = await create_load_balancer(tenant), await create_secret(tenant)
    secrets = {"secret_id": secret_id, "ca_secret_id": secret_id}
    use = ("POST", tenant.path("lbpools"), {**POOL, "load_balancer_id": load_balancer_id, **secrets})
    return use, deletion(tenant, "secrets", secret_id)


@covers("load_balancers.project_id", "ports.project_id", *(f"{part}.project_id" for part in PARTS))
async def create_load_balancer_in_deleted_project(tenant: Tenant) -> tuple[Request, Request]:
    project_id = id_of(await tenant.api.post("/cloud/v1/projects", json={"name": "short-lived"}))
    pools: list[dict[str, Any]] = [{**POOL, "members": [MEMBER]}]
    listener = {"name": "www", "protocol": "HTTP", "protocol_port": 80, "pools": pools}
    use = ("POST", f"/cloud/v1/loadbalancers/{project_id}/{REGION}", {**WEB, "listeners": [listener]})
    return use, ("DELETE", f"/cloud/v1/projects/{project_id}", None)
