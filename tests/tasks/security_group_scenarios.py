"""How each operation on security groups and placement groups comes about."""

from tests.builders import a_placement_group, a_rule, a_security_group, an_instance
from tests.tasks.scenario import Ask, Story, asking
from tests.tenants import Tenant

SSH = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
PING = {"direction": "ingress", "protocol": "icmp"}


async def _create(tenant: Tenant) -> Ask:
    body = {"name": "fresh", "rules": [SSH, PING], "tags": {"a": "b"}}
    return asking("POST", tenant.path("security_groups", version=2), body)


async def _update(tenant: Tenant) -> Ask:
    group = await a_security_group(tenant)
    await a_rule(tenant, group)
    body = {"name": "other", "rules": [PING], "tags": {"a": "b"}}
    return asking("PATCH", tenant.path("security_groups", group.id, version=2), body)


async def _create_rule(tenant: Tenant) -> Ask:
    group = await a_security_group(tenant)
    return asking("POST", tenant.path("security_groups", group.id, "rules", version=2), SSH)


async def _delete_rule(tenant: Tenant) -> Ask:
    group = await a_security_group(tenant)
    rule = await a_rule(tenant, group)
    return asking("DELETE", tenant.path("security_groups", group.id, "rules", rule.id, version=2))


async def _delete_group(tenant: Tenant) -> Ask:
    group = await a_security_group(tenant)
    await a_rule(tenant, group)
    return asking("DELETE", tenant.path("securitygroups", group.id))


async def _guard(tenant: Tenant) -> Ask:
    instance = await an_instance(tenant)
    group = await a_security_group(tenant, f"for {instance.id}")
    return asking("POST", tenant.path("instances", instance.id, "addsecuritygroup"), {"name": group.name})


async def _delete_placement_group(tenant: Tenant) -> Ask:
    group = await a_placement_group(tenant)
    await an_instance(tenant, placement_group_id=group.id)
    return asking("DELETE", tenant.path("servergroups", group.id))


GUARD_STORIES: dict[str, Story] = {
    "create_security_group": Story(_create),
    "update_security_group": Story(_update),
    "create_security_group_rule": Story(_create_rule),
    "delete_security_group_rule": Story(_delete_rule),
    "delete_security_group": Story(_delete_group),
    "update_port": Story(_guard, lasting=True),
    "delete_servergroup": Story(_delete_placement_group),
}
