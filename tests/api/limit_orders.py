"""Requests that fill one limit: `ORDERS` has one for each row of the table of limits."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from msgspec.structs import replace

from pileus.domain import limits
from pileus.domain.compute.instances import Instance
from pileus.store.compute import instances
from pileus.store.database import Tx
from tests.api.listener_limit_orders import LISTENER_ORDERS
from tests.api.pool_limit_orders import POOL_ORDERS
from tests.builders import (
    BARE_METAL,
    FLAVOR,
    a_network,
    a_placement_group,
    a_port,
    a_security_group,
    an_instance,
    list_addresses,
    list_ports,
    record_fields,
)
from tests.networks import a_router
from tests.orders import METAL, an_order, boot
from tests.storage import a_lifecycle_policy, a_volume
from tests.subscribers import subscriber_url
from tests.tenants import REGION, Tenant

Order = Callable[[Tenant, int], Awaitable[httpx.Response]]

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
PERIOD = {"time_from": "2026-01-01T00:00:00Z", "time_to": "2026-01-02T00:00:00Z"}
HOURLY = {"type": "interval", "hours": 1, "max_quantity": 24}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def _create_instance(tenant: Tenant, **changes: Any) -> httpx.Response:
    return await tenant.api.post(tenant.path("instances", version=2), json=an_order(**changes))


async def _tag_up_to(tenant: Tenant, count: int) -> httpx.Response:
    """Add tags to an instance that has some."""
    labels = {f"old-{number}": "x" for number in range(300)}
    instance = await an_instance(tenant, labels=labels)
    more = {f"new-{number}": "x" for number in range(count - len(labels))}
    return await tenant.api.patch(tenant.path("instances", instance.id), json={"tags": more})


async def _remove_tags(tenant: Tenant, count: int) -> httpx.Response:
    instance = await an_instance(tenant)
    changes = {f"key-{number}": None for number in range(count)}
    return await tenant.api.patch(tenant.path("instances", instance.id), json={"tags": changes})


async def _send_user_data(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_instance(tenant, user_data=base64.encodebytes(b"x" * count).decode())


async def _set_password(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_instance(tenant, username="cloud", password="p" * count)


async def _set_username(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_instance(tenant, username="u" * count, password="secret-word")  # of a test


async def _create_security_group(tenant: Tenant, **fields: Any) -> httpx.Response:
    body = {"security_group": {"name": "guard", **fields}}
    return await tenant.api.post(tenant.path("securitygroups"), json=body)


async def _describe(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_security_group(tenant, description="d" * count)


async def _configure_app(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_instance(tenant, configuration={f"key-{number}": "x" for number in range(count)})


async def _import_ssh_key(tenant: Tenant, count: int) -> httpx.Response:
    body = {"name": "long", "public_key": f"{ED25519} ".ljust(count, "c")}
    return await tenant.api.post(f"/cloud/v1/ssh_keys/{tenant.project_id}", json=body)


async def _create_volumes(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_instance(tenant, volumes=[boot(), *[{"source": "new-volume", "size": 1}] * (count - 1)])


async def _create_interfaces(tenant: Tenant, count: int) -> httpx.Response:
    network, (subnet,) = await a_network(tenant)
    return await _create_instance(
        tenant, interfaces=[{"type": "subnet", "network_id": network.id, "subnet_id": subnet.id}] * count
    )


async def _create_server_interfaces(tenant: Tenant, count: int) -> httpx.Response:
    body = {"name": "metal", "flavor": BARE_METAL, "image_id": METAL, "interfaces": [{"type": "external"}] * count}
    return await tenant.api.post(tenant.path("bminstances"), json=body)


async def _guard_interface(tenant: Tenant, count: int) -> httpx.Response:
    groups = [await a_security_group(tenant, f"group-{number}") for number in range(count)]
    interface = {"type": "external", "security_groups": [{"id": group.id} for group in groups]}
    return await _create_instance(tenant, interfaces=[interface])


async def _fill_placement_group(tenant: Tenant, count: int) -> httpx.Response:
    group = await a_placement_group(tenant, "soft-anti-affinity")
    member = await an_instance(tenant)

    async def add_members(tx: Tx) -> None:
        for number in range(count - 1):
            fields = {**record_fields(tenant), "name": f"member-{number}", "flavor_id": FLAVOR, "changed_at": 0}
            await instances.add(tx, replace(Instance(**fields), placement_group_id=group.id))

    await tenant.running.app_state.db.write(add_members)
    path = tenant.path("instances", member.id, "put_into_servergroup")
    return await tenant.api.post(path, json={"servergroup_id": group.id})


def _port_rules(first: int, count: int) -> list[dict[str, Any]]:
    """Return rules for different ports."""
    rule = {"direction": "egress", "ethertype": "IPv4", "protocol": "tcp"}
    return [{**rule, "port_range_min": port, "port_range_max": port} for port in range(first, first + count)]


async def _create_rules(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_security_group(tenant, security_group_rules=_port_rules(10_000, count))


async def _change_rules(tenant: Tenant, count: int) -> httpx.Response:
    """Replace all rules of a full group."""
    full = limits.SECURITY_GROUP_RULES.value
    group = (await _create_rules(tenant, full)).json()
    deletions = [{"action": "delete", "security_group_rule_id": rule["id"]} for rule in group["security_group_rules"]]
    additions = [{"action": "create", **rule} for rule in _port_rules(20_000, count - full)]
    return await tenant.api.patch(
        tenant.path("securitygroups", group["id"]), json={"changed_rules": [*deletions, *additions]}
    )


async def _add_group_to_instances(tenant: Tenant, count: int) -> httpx.Response:
    instance = await an_instance(tenant)
    body = {"security_group": {"name": "shared"}, "instances": [instance.id] * count}
    return await tenant.api.post(tenant.path("securitygroups"), json=body)


async def _create_subnet(tenant: Tenant, **changes: Any) -> httpx.Response:
    network, _ = await a_network(tenant, "10.7.0.0/24")
    body = {"name": "inside", "network_id": network.id, "cidr": "10.8.0.0/24", **changes}
    return await tenant.api.post(tenant.path("subnets"), json={**body, "connect_to_network_router": False})


def _routes(count: int, nexthop: str) -> list[dict[str, str]]:
    return [{"destination": f"172.16.{number}.0/24", "nexthop": nexthop} for number in range(count)]


async def _route_hosts(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_subnet(tenant, host_routes=_routes(count, "10.8.0.9"))


async def _name_dns_servers(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_subnet(tenant, dns_nameservers=[f"10.8.0.{number}" for number in range(10, 10 + count)])


async def _set_router_routes(tenant: Tenant, count: int) -> httpx.Response:
    _, (subnet,) = await a_network(tenant)
    router = await a_router(tenant, subnet)
    path = tenant.path("routers", router.id, version=2)
    return await tenant.api.patch(path, json={"routes": _routes(count, "10.0.0.9")})


async def _attach_subnets(tenant: Tenant, count: int) -> httpx.Response:
    """Attach one more subnet to a router."""
    _, subnets = await a_network(tenant, *(f"10.1.{number}.0/24" for number in range(count)))
    router = await a_router(tenant, *subnets[:-1])
    path = tenant.path("routers", router.id, "attach")
    return await tenant.api.post(path, json={"subnet_id": subnets[-1].id})


async def _connect_ports(tenant: Tenant, count: int) -> httpx.Response:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    vip = await a_port(tenant, reserved=True, is_vip=True)
    path = tenant.path("reserved_fixed_ips", vip.id, "connected_devices")
    return await tenant.api.put(path, json={"port_ids": [port.id] * count})


async def _allow_pairs(tenant: Tenant, count: int) -> httpx.Response:
    _, (subnet,) = await a_network(tenant)
    instance = await an_instance(tenant)
    port = await a_port(tenant, subnet, instance)
    pairs = [{"ip_address": f"10.0.0.{number}"} for number in range(100, 100 + count)]
    path = tenant.path("ports", port.id, "allow_address_pairs", version=2)
    return await tenant.api.put(path, json={"allowed_address_pairs": pairs})


async def _answer_ddos_fields(tenant: Tenant, count: int) -> httpx.Response:
    (port,) = await list_ports(tenant, await an_instance(tenant))
    (address,) = await list_addresses(tenant, port)
    fields = [{"base_field": 11, "field_value": [80]}] * count
    body = {"ip_address": address, "profile_template": 1, "fields": fields}
    return await tenant.api.post(f"/cloud/v1/ddos/profiles/{tenant.place_path}", json=body)


async def _create_policy(tenant: Tenant, **changes: Any) -> httpx.Response:
    body = {"name": "nightly", "action": "volume_snapshot", **changes}
    return await tenant.api.post(tenant.path("lifecycle_policy"), json=body)


async def _create_last_policy(tenant: Tenant, count: int) -> httpx.Response:
    for number in range(count - 1):
        await a_lifecycle_policy(tenant, f"policy-{number}")
    return await _create_policy(tenant)


async def _schedule(tenant: Tenant, count: int) -> httpx.Response:
    """Add schedules to a policy that has one."""
    policy_id, _ = await a_lifecycle_policy(tenant)
    path = tenant.path("lifecycle_policy", str(policy_id), "add_schedules")
    return await tenant.api.post(path, json={"schedules": [HOURLY] * (count - 1)})


async def _price_volumes(tenant: Tenant, count: int) -> httpx.Response:
    ids = [(await a_volume(tenant)).id for _ in range(count)]
    body = {"volume_ids": ids, "schedules": [HOURLY]}
    return await tenant.api.post(f"/cloud/v2/pricing/{tenant.place_path}/lifecycle_policy", json=body)


async def _put_volume_under_policies(tenant: Tenant, count: int) -> httpx.Response:
    policy_id, _ = await a_lifecycle_policy(tenant)
    body = {"source": "new-volume", "name": "data", "size": 1, "lifecycle_policy_ids": [policy_id] * count}
    return await tenant.api.post(tenant.path("volumes"), json=body)


async def _subscribe(tenant: Tenant, count: int) -> httpx.Response:
    for number in range(count):
        url = subscriber_url(f"/{tenant.running.app_state.new_id()}/{number}")
        body = {"url": url, "auth_header_name": "Authorization", "auth_header_value": "Bearer x"}
        answer = await tenant.api.post("/cloud/v1/user_actions/subscribe", json=body)
    return answer


async def _request_limits(tenant: Tenant, *regional_limits: dict[str, int]) -> httpx.Response:
    body = {"description": "growth", "requested_limits": {"regional_limits": list(regional_limits)}}
    return await tenant.api.post("/cloud/v2/limits_request", json=body)


async def _wait_for_limits(tenant: Tenant, count: int) -> httpx.Response:
    for _ in range(count):
        answer = await _request_limits(tenant, {"region_id": REGION, "vm_count_limit": 5})
    return answer


async def _request_many_limits(tenant: Tenant, count: int) -> httpx.Response:
    return await _request_limits(tenant, *[{"region_id": REGION, "vm_count_limit": 5}] * count)


async def _preview_names(tenant: Tenant, count: int) -> httpx.Response:
    body = {"flavor": FLAVOR, "names": ["web"] * count, "interfaces": [{"type": "external"}], "volumes": []}
    return await tenant.api.post(tenant.path("instances", "check_limits", version=2), json=body)


async def _report_tags(tenant: Tenant, count: int) -> httpx.Response:
    body = {**PERIOD, "tags": {"conditions": [{"key": "team"}] * count}}
    return await tenant.api.post("/cloud/v1/usage_report", json=body)


async def _report_regions(tenant: Tenant, count: int) -> httpx.Response:
    return await tenant.api.post("/cloud/v1/usage_report", json={**PERIOD, "regions": [REGION] * count})


async def _name_volumes(tenant: Tenant, count: int) -> httpx.Response:
    volume = await a_volume(tenant)
    return await _create_policy(tenant, volume_ids=[volume.id] * count)


async def _filter(tenant: Tenant, count: int) -> httpx.Response:
    return await tenant.api.get(tenant.path("instances"), params={"tag_key": ["team"] * count})


async def _send_lists(tenant: Tenant, count: int) -> httpx.Response:
    instance = await an_instance(tenant)
    # The body and the outer list count too.
    body = {"name": "other", "unknown": [[] for _ in range(count - 2)]}
    return await tenant.api.patch(tenant.path("instances", instance.id), json=body)


async def _let_many_mount(tenant: Tenant, count: int) -> httpx.Response:
    network, _ = await a_network(tenant)
    rules = [{"ip_address": f"10.0.0.{number}", "access_mode": "ro"} for number in range(count)]
    body = {"name": "data", "protocol": "NFS", "size": 1, "network": {"network_id": network.id}, "access": rules}
    return await tenant.api.post(tenant.path("file_shares"), json=body)


async def _save_secret(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_secret(tenant, payload=base64.b64encode(b"x" * count).decode())


async def _name_secret(tenant: Tenant, count: int) -> httpx.Response:
    return await _create_secret(tenant, name="x" * count)


async def _create_secret(tenant: Tenant, **changes: Any) -> httpx.Response:
    body = {"name": "key", "payload": "c2VjcmV0", "secret_type": "opaque", "payload_content_encoding": "base64"}
    body |= {"payload_content_type": "application/octet-stream", **changes}
    return await tenant.api.post(tenant.path("secrets"), json=body)


ORDERS: dict[limits.Limit, Order] = {
    **LISTENER_ORDERS,
    **POOL_ORDERS,
    limits.TAGS: _tag_up_to,
    limits.TAG_CHANGES: _remove_tags,
    limits.USER_DATA: _send_user_data,
    limits.PASSWORD: _set_password,
    limits.USERNAME: _set_username,
    limits.DESCRIPTION: _describe,
    limits.APP_CONFIGURATION: _configure_app,
    limits.SSH_PUBLIC_KEY: _import_ssh_key,
    limits.INSTANCE_VOLUMES: _create_volumes,
    limits.INSTANCE_INTERFACES: _create_interfaces,
    limits.BAREMETAL_INTERFACES: _create_server_interfaces,
    limits.PORT_SECURITY_GROUPS: _guard_interface,
    limits.PLACEMENT_GROUP_MEMBERS: _fill_placement_group,
    limits.SECURITY_GROUP_RULES: _create_rules,
    limits.SECURITY_GROUP_RULE_CHANGES: _change_rules,
    limits.SECURITY_GROUP_INSTANCES: _add_group_to_instances,
    limits.HOST_ROUTES: _route_hosts,
    limits.DNS_NAMESERVERS: _name_dns_servers,
    limits.ROUTER_ROUTES: _set_router_routes,
    limits.ROUTER_INTERFACES: _attach_subnets,
    limits.VIRTUAL_IP_PORTS: _connect_ports,
    limits.ALLOWED_ADDRESS_PAIRS: _allow_pairs,
    limits.SHARE_ACCESS_RULES: _let_many_mount,
    limits.SECRET_PAYLOAD: _save_secret,
    limits.SECRET_TEXT: _name_secret,
    limits.DDOS_FIELDS: _answer_ddos_fields,
    limits.LIFECYCLE_POLICIES: _create_last_policy,
    limits.POLICY_SCHEDULES: _schedule,
    limits.PRICED_VOLUMES: _price_volumes,
    limits.VOLUME_POLICIES: _put_volume_under_policies,
    limits.SUBSCRIPTIONS: _subscribe,
    limits.WAITING_LIMIT_REQUESTS: _wait_for_limits,
    limits.REQUESTED_LIMITS: _request_many_limits,
    limits.NAMES: _preview_names,
    limits.TAG_CONDITIONS: _report_tags,
    limits.REPORT_VALUES: _report_regions,
    limits.IDS: _name_volumes,
    limits.BODY_CONTAINERS: _send_lists,
    limits.QUERY_VALUES: _filter,
}
