"""The races: for each reference, a request that uses a record and one that deletes it."""

from typing import Any

import httpx

from tests.certificates import A_CERTIFICATE
from tests.chaos.references import Request, covers
from tests.orders import an_order
from tests.tenants import REGION, Tenant

PRIVATE = {"type": "any_subnet"}
EVERY_HOUR = {"type": "interval", "hours": 1, "max_quantity": 1}


async def create(tenant: Tenant, noun: str, body: Any, *, version: int = 1, kind: str = "") -> str:
    """Create a resource and wait for it; `kind` is its kind among the created resources, if that is not the noun."""
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path(noun, version=version), json=body))
    (resource_id,) = task["created_resources"][kind or noun]
    return str(resource_id)


def id_of(answer: httpx.Response) -> str:
    """Return the id in an answer that shows a new resource."""
    assert answer.status_code in {200, 201}, answer.text
    return str(answer.json()["id"])


async def create_instance(tenant: Tenant, **changes: Any) -> str:
    return await create(tenant, "instances", an_order(**changes), version=2)


async def create_volume(tenant: Tenant) -> str:
    return await create(tenant, "volumes", {"name": "data", "source": "new-volume", "size": 1})


async def create_network(tenant: Tenant, *, router: bool = False) -> str:
    return await create(tenant, "networks", {"name": "private", "create_router": router})


async def create_subnet(tenant: Tenant, network_id: str, *, router: bool = False) -> str:
    body = {"name": "near", "network_id": network_id, "cidr": "10.9.0.0/24", "connect_to_network_router": router}
    return await create(tenant, "subnets", body)


async def create_security_group(tenant: Tenant, name: str) -> str:
    body = {"security_group": {"name": name, "security_group_rules": []}}
    return id_of(await tenant.api.post(tenant.path("securitygroups"), json=body))


async def create_policy(tenant: Tenant, *volume_ids: str) -> str:
    body = {"name": "hourly", "action": "volume_snapshot", "volume_ids": list(volume_ids)}
    return id_of(await tenant.api.post(tenant.path("lifecycle_policy"), json=body))


def deletion(tenant: Tenant, noun: str, resource_id: str) -> Request:
    return "DELETE", tenant.path(noun, resource_id), None


@covers("attachments.volume_id")
async def attach_volume(tenant: Tenant) -> tuple[Request, Request]:
    volume_id, instance_id = await create_volume(tenant), await create_instance(tenant)
    path = tenant.path("volumes", volume_id, "attach", version=2)
    return ("POST", path, {"instance_id": instance_id}), deletion(tenant, "volumes", volume_id)


@covers("attachments.instance_id")
async def attach_volume_to_deleted_instance(tenant: Tenant) -> tuple[Request, Request]:
    volume_id, instance_id = await create_volume(tenant), await create_instance(tenant)
    path = tenant.path("volumes", volume_id, "attach", version=2)
    return ("POST", path, {"instance_id": instance_id}), deletion(tenant, "instances", instance_id)


@covers("snapshots.volume_id")
async def take_snapshot(tenant: Tenant) -> tuple[Request, Request]:
    volume_id = await create_volume(tenant)
    use = ("POST", tenant.path("snapshots"), {"name": "before", "volume_id": volume_id})
    return use, deletion(tenant, "volumes", volume_id)


@covers("policy_volumes.volume_id")
async def create_policy_of_volume(tenant: Tenant) -> tuple[Request, Request]:
    volume_id = await create_volume(tenant)
    body = {"name": "hourly", "action": "volume_snapshot", "volume_ids": [volume_id]}
    return ("POST", tenant.path("lifecycle_policy"), body), deletion(tenant, "volumes", volume_id)


@covers("policy_volumes.lifecycle_policy_id")
async def create_volume_in_policy(tenant: Tenant) -> tuple[Request, Request]:
    policy_id = await create_policy(tenant)
    body = {"name": "data", "source": "new-volume", "size": 1, "lifecycle_policy_ids": [int(policy_id)]}
    return ("POST", tenant.path("volumes"), body), deletion(tenant, "lifecycle_policy", policy_id)


@covers("policy_volumes.lifecycle_policy_id")
async def add_volume_to_policy(tenant: Tenant) -> tuple[Request, Request]:
    policy_id, volume_id = await create_policy(tenant), await create_volume(tenant)
    path = tenant.path("lifecycle_policy", policy_id, "add_volumes_to_policy")
    return ("PUT", path, {"volume_ids": [volume_id]}), deletion(tenant, "lifecycle_policy", policy_id)


@covers("schedules.lifecycle_policy_id")
async def add_schedule(tenant: Tenant) -> tuple[Request, Request]:
    policy_id = await create_policy(tenant)
    path = tenant.path("lifecycle_policy", policy_id, "add_schedules")
    return ("POST", path, {"schedules": [EVERY_HOUR]}), deletion(tenant, "lifecycle_policy", policy_id)


@covers("subnets.network_id")
async def create_subnet_in_deleted_network(tenant: Tenant) -> tuple[Request, Request]:
    network_id = await create_network(tenant)
    body = {"name": "near", "network_id": network_id, "cidr": "10.9.0.0/24", "connect_to_network_router": False}
    return ("POST", tenant.path("subnets"), body), deletion(tenant, "networks", network_id)


@covers("ports.network_id", "addresses.subnet_id")
async def create_instance_in_network(tenant: Tenant) -> tuple[Request, Request]:
    network_id = await create_network(tenant)
    await create_subnet(tenant, network_id)
    body = an_order(interfaces=[{**PRIVATE, "network_id": network_id}])
    return ("POST", tenant.path("instances", version=2), body), deletion(tenant, "networks", network_id)


@covers("ports.network_id", "addresses.subnet_id")
async def create_instance_in_any_subnet(tenant: Tenant) -> tuple[Request, Request]:
    network_id = await create_network(tenant)
    subnet_id = await create_subnet(tenant, network_id)
    body = an_order(interfaces=[{**PRIVATE, "network_id": network_id}])
    return ("POST", tenant.path("instances", version=2), body), deletion(tenant, "subnets", subnet_id)


@covers("addresses.subnet_id", "addresses.port_id")
async def reserve_address_in_subnet(tenant: Tenant) -> tuple[Request, Request]:
    network_id = await create_network(tenant)
    subnet_id = await create_subnet(tenant, network_id)
    body = {"type": "subnet", "network_id": network_id, "subnet_id": subnet_id}
    return ("POST", tenant.path("reserved_fixed_ips"), body), deletion(tenant, "subnets", subnet_id)


@covers("ports.instance_id", "addresses.port_id")
async def attach_interface(tenant: Tenant) -> tuple[Request, Request]:
    instance_id = await create_instance(tenant)
    path = tenant.path("instances", instance_id, "attach_interface")
    return ("POST", path, {"type": "external"}), deletion(tenant, "instances", instance_id)


@covers("ports.instance_id")
async def use_reserved_address(tenant: Tenant) -> tuple[Request, Request]:
    port_id = await create(tenant, "reserved_fixed_ips", {"type": "external"}, kind="ports")
    body = an_order(interfaces=[{"type": "reserved_fixed_ip", "port_id": port_id}])
    return ("POST", tenant.path("instances", version=2), body), deletion(tenant, "reserved_fixed_ips", port_id)


async def create_routed_instance(tenant: Tenant) -> tuple[str, str, str]:
    """Return the ids of an instance behind a router, of its port and of the router."""
    network_id = await create_network(tenant, router=True)
    await create_subnet(tenant, network_id, router=True)
    instance_id = await create_instance(tenant, interfaces=[{**PRIVATE, "network_id": network_id}])
    interfaces = (await tenant.api.get(tenant.path("instances", instance_id, "interfaces"))).json()["results"]
    routers = (await tenant.api.get(tenant.path("routers"))).json()["results"]
    return instance_id, interfaces[0]["port_id"], routers[0]["id"]


@covers("floating_ips.port_id")
async def assign_floating_ip(tenant: Tenant) -> tuple[Request, Request]:
    instance_id, port_id, _ = await create_routed_instance(tenant)
    floating_ip_id = await create(tenant, "floatingips", {})
    path = tenant.path("floatingips", floating_ip_id, "assign")
    return ("POST", path, {"port_id": port_id}), deletion(tenant, "instances", instance_id)


@covers("floating_ips.port_id")
async def create_floating_ip_on_instance(tenant: Tenant) -> tuple[Request, Request]:
    instance_id, port_id, _ = await create_routed_instance(tenant)
    return ("POST", tenant.path("floatingips"), {"port_id": port_id}), deletion(tenant, "instances", instance_id)


@covers("floating_ips.router_id")
async def assign_floating_ip_through_router(tenant: Tenant) -> tuple[Request, Request]:
    _, port_id, router_id = await create_routed_instance(tenant)
    floating_ip_id = await create(tenant, "floatingips", {})
    path = tenant.path("floatingips", floating_ip_id, "assign")
    return ("POST", path, {"port_id": port_id}), deletion(tenant, "routers", router_id)


@covers("floating_ips.port_id")
async def use_floating_ip(tenant: Tenant) -> tuple[Request, Request]:
    floating_ip_id = await create(tenant, "floatingips", {})
    choice = {"source": "existing", "existing_floating_id": floating_ip_id}
    body = an_order(interfaces=[{"type": "external", "floating_ip": choice}])
    return ("POST", tenant.path("instances", version=2), body), deletion(tenant, "floatingips", floating_ip_id)


@covers("ddos_profiles.ip_address")
async def protect_floating_ip(tenant: Tenant) -> tuple[Request, Request]:
    floating_ip_id = await create(tenant, "floatingips", {})
    view = (await tenant.api.get(tenant.path("floatingips", floating_ip_id))).json()
    body = {"ip_address": view["floating_ip_address"], "profile_template": 1}
    return ("POST", tenant.path("ddos", "profiles"), body), deletion(tenant, "floatingips", floating_ip_id)


@covers("ddos_profiles.ip_address")
async def protect_instance(tenant: Tenant) -> tuple[Request, Request]:
    instance_id = await create_instance(tenant)
    interfaces = (await tenant.api.get(tenant.path("instances", instance_id, "interfaces"))).json()["results"]
    body = {"ip_address": interfaces[0]["ip_assignments"][0]["ip_address"], "profile_template": 1}
    return ("POST", tenant.path("ddos", "profiles"), body), deletion(tenant, "instances", instance_id)


@covers("security_group_rules.security_group_id")
async def add_rule(tenant: Tenant) -> tuple[Request, Request]:
    group_id = await create_security_group(tenant, "web")
    body = {"direction": "ingress", "protocol": "tcp", "ethertype": "IPv4"}
    use = ("POST", tenant.path("securitygroups", group_id, "rules"), body)
    return use, deletion(tenant, "securitygroups", group_id)


@covers("security_group_rules.remote_group_id")
async def add_rule_about_group(tenant: Tenant) -> tuple[Request, Request]:
    group_id, remote_id = await create_security_group(tenant, "web"), await create_security_group(tenant, "database")
    body = {"direction": "ingress", "protocol": "tcp", "ethertype": "IPv4", "remote_group_id": remote_id}
    use = ("POST", tenant.path("securitygroups", group_id, "rules"), body)
    return use, deletion(tenant, "securitygroups", remote_id)


@covers("port_security_groups.security_group_id")
async def create_instance_in_security_group(tenant: Tenant) -> tuple[Request, Request]:
    group_id = await create_security_group(tenant, "web")
    body = an_order(security_groups=[{"id": group_id}])
    return ("POST", tenant.path("instances", version=2), body), deletion(tenant, "securitygroups", group_id)


@covers("port_security_groups.security_group_id", "port_security_groups.port_id")
async def add_security_group(tenant: Tenant) -> tuple[Request, Request]:
    instance_id, group_id = await create_instance(tenant), await create_security_group(tenant, "web")
    path = tenant.path("instances", instance_id, "addsecuritygroup")
    return ("POST", path, {"name": "web"}), deletion(tenant, "securitygroups", group_id)


@covers("port_security_groups.port_id")
async def add_security_group_to_deleted_instance(tenant: Tenant) -> tuple[Request, Request]:
    instance_id = await create_instance(tenant)
    await create_security_group(tenant, "web")
    path = tenant.path("instances", instance_id, "addsecuritygroup")
    return ("POST", path, {"name": "web"}), deletion(tenant, "instances", instance_id)


@covers("router_ports.router_id")
async def attach_subnet(tenant: Tenant) -> tuple[Request, Request]:
    subnet_id = await create_subnet(tenant, await create_network(tenant))
    router_id = await create(tenant, "routers", {"name": "gateway"})
    path = tenant.path("routers", router_id, "attach")
    return ("POST", path, {"subnet_id": subnet_id}), deletion(tenant, "routers", router_id)


@covers("router_ports.network_id", "addresses.subnet_id")
async def create_router_in_subnet(tenant: Tenant) -> tuple[Request, Request]:
    network_id = await create_network(tenant)
    subnet_id = await create_subnet(tenant, network_id)
    body = {"name": "gateway", "interfaces": [{"type": "subnet", "subnet_id": subnet_id}]}
    return ("POST", tenant.path("routers"), body), deletion(tenant, "networks", network_id)


@covers("instances.placement_group_id")
async def create_instance_in_placement_group(tenant: Tenant) -> tuple[Request, Request]:
    body = {"name": "apart", "policy": "anti-affinity"}
    group_id = (await tenant.api.post(tenant.path("servergroups"), json=body)).json()["servergroup_id"]
    use = ("POST", tenant.path("instances", version=2), an_order(servergroup_id=group_id))
    return use, deletion(tenant, "servergroups", group_id)


@covers("instances.placement_group_id")
async def put_into_placement_group(tenant: Tenant) -> tuple[Request, Request]:
    instance_id = await create_instance(tenant)
    body = {"name": "apart", "policy": "anti-affinity"}
    group_id = (await tenant.api.post(tenant.path("servergroups"), json=body)).json()["servergroup_id"]
    path = tenant.path("instances", instance_id, "put_into_servergroup")
    return ("POST", path, {"servergroup_id": group_id}), deletion(tenant, "servergroups", group_id)


@covers("deliveries.subscription_id")
async def deliver_change(tenant: Tenant) -> tuple[Request, Request]:
    # Nothing listens there, so the deliveries stay.
    body = {"url": "http://127.0.0.1:9/", "auth_header_name": "Authorization", "auth_header_value": "secret"}
    subscribed = await tenant.api.post("/cloud/v1/user_actions/subscribe", json=body)
    assert subscribed.status_code == 204, subscribed.text
    instance_id = await create_instance(tenant)
    use = ("PATCH", tenant.path("instances", instance_id), {"name": "renamed"})
    return use, ("POST", "/cloud/v1/user_actions/unsubscribe", None)


SHARE = {"name": "data", "protocol": "NFS", "size": 1}


@covers("file_shares.network_id")
async def create_file_share_in_network(tenant: Tenant) -> tuple[Request, Request]:
    network_id = await create_network(tenant)
    await create_subnet(tenant, network_id)
    use = ("POST", tenant.path("file_shares"), {**SHARE, "network": {"network_id": network_id}})
    return use, deletion(tenant, "networks", network_id)


@covers("file_shares.subnet_id")
async def create_file_share_in_subnet(tenant: Tenant) -> tuple[Request, Request]:
    network_id = await create_network(tenant)
    subnet_id = await create_subnet(tenant, network_id)
    network = {"network_id": network_id, "subnet_id": subnet_id}
    return ("POST", tenant.path("file_shares"), {**SHARE, "network": network}), deletion(tenant, "subnets", subnet_id)


@covers("share_access_rules.file_share_id")
async def let_an_address_mount_a_file_share(tenant: Tenant) -> tuple[Request, Request]:
    network_id = await create_network(tenant)
    await create_subnet(tenant, network_id)
    share_id = await create(tenant, "file_shares", {**SHARE, "network": {"network_id": network_id}})
    path = tenant.path("file_shares", share_id, "access_rule")
    body = {"ip_address": "10.9.0.9", "access_mode": "ro"}
    return ("POST", path, body), deletion(tenant, "file_shares", share_id)


IN_PROJECT: dict[str, tuple[str, Any]] = {
    "instances": ("/cloud/v2/instances/{place}", an_order()),
    "volumes": ("/cloud/v1/volumes/{place}", {"name": "data", "source": "new-volume", "size": 1}),
    "networks": ("/cloud/v1/networks/{place}", {"name": "private", "create_router": True}),
    "routers": ("/cloud/v1/routers/{place}", {"name": "gateway"}),
    "floating_ips": ("/cloud/v1/floatingips/{place}", {}),
    "ports": ("/cloud/v1/reserved_fixed_ips/{place}", {"type": "external"}),
    "security_groups": (
        "/cloud/v1/securitygroups/{place}",
        {"security_group": {"name": "web", "security_group_rules": []}},
    ),
    "placement_groups": ("/cloud/v1/servergroups/{place}", {"name": "apart", "policy": "affinity"}),
    "ssh_keys": ("/cloud/v1/ssh_keys/{project_id}", {"name": "laptop"}),
    "secrets": ("/cloud/v2/secrets/{place}", A_CERTIFICATE),
    "file_shares": ("/cloud/v1/file_shares/{place}", {**SHARE, "type_name": "vast"}),
    "lifecycle_policies": (
        "/cloud/v1/lifecycle_policy/{place}",
        {"name": "hourly", "action": "volume_snapshot", "schedules": [EVERY_HOUR]},
    ),
    "images": ("/cloud/v1/downloadimage/{place}", {"name": "image", "url": "http://127.0.0.1:9/image.raw"}),
}
"""The request that creates a resource in a project, by table."""
IN_PROJECT_WITH = {
    "snapshots": "volumes",
    "subnets": "networks",
    "schedules": "lifecycle_policies",
    "ddos_profiles": "floating_ips",
}
"""Tables whose rows need a resource of the project that its deletion locks or that locks the project itself."""


def _add_project_race(table: str) -> None:
    path, body = IN_PROJECT[table]

    async def prepare(tenant: Tenant) -> tuple[Request, Request]:
        project_id = id_of(await tenant.api.post("/cloud/v1/projects", json={"name": "short-lived"}))
        use = ("POST", path.format(place=f"{project_id}/{REGION}", project_id=project_id), body)
        return use, ("DELETE", f"/cloud/v1/projects/{project_id}", None)

    prepare.__name__ = f"create_in_deleted_project_{table}"
    dependents = [f"{dependent}.project_id" for dependent, owner in IN_PROJECT_WITH.items() if owner == table]
    add: Any = covers(f"{table}.project_id", *dependents, *(["tags.project_id"] if table == "instances" else []))
    add(prepare)


for _table in IN_PROJECT:
    _add_project_race(_table)
