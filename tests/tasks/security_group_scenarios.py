"""Scenarios of the operations on security groups and placement groups."""

from tests.builders import a_placement_group, a_rule, a_security_group, an_instance
from tests.tasks.scenario import Scenario, SendRequest, request
from tests.tenants import Tenant

SSH = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
PING = {"direction": "ingress", "protocol": "icmp"}


async def _create(tenant: Tenant) -> SendRequest:
    body = {"name": "fresh", "rules": [SSH, PING], "tags": {"a": "b"}}
    return request("POST", tenant.path("security_groups", version=2), body)


async def _update(tenant: Tenant) -> SendRequest:
    group = await a_security_group(tenant)
    await a_rule(tenant, group)
    body = {"name": "other", "rules": [PING], "tags": {"a": "b"}}
    return request("PATCH", tenant.path("security_groups", group.id, version=2), body)


async def _create_rule(tenant: Tenant) -> SendRequest:
    group = await a_security_group(tenant)
    return request("POST", tenant.path("security_groups", group.id, "rules", version=2), SSH)


async def _delete_rule(tenant: Tenant) -> SendRequest:
    group = await a_security_group(tenant)
    rule = await a_rule(tenant, group)
    return request("DELETE", tenant.path("security_groups", group.id, "rules", rule.id, version=2))


async def _delete_group(tenant: Tenant) -> SendRequest:
    group = await a_security_group(tenant)
    await a_rule(tenant, group)
    return request("DELETE", tenant.path("securitygroups", group.id))


async def _update_port(tenant: Tenant) -> SendRequest:
    instance = await an_instance(tenant)
    group = await a_security_group(tenant, f"for {instance.id}")
    return request("POST", tenant.path("instances", instance.id, "addsecuritygroup"), {"name": group.name})


async def _delete_placement_group(tenant: Tenant) -> SendRequest:
    group = await a_placement_group(tenant)
    await an_instance(tenant, placement_group_id=group.id)
    return request("DELETE", tenant.path("servergroups", group.id))


SECURITY_GROUP_SCENARIOS: dict[str, Scenario] = {
    "create_security_group": Scenario(_create),
    "update_security_group": Scenario(_update),
    "create_security_group_rule": Scenario(_create_rule),
    "delete_security_group_rule": Scenario(_delete_rule),
    "delete_security_group": Scenario(_delete_group),
    "update_port": Scenario(_update_port, irreversible=True),
    "delete_servergroup": Scenario(_delete_placement_group),
}
