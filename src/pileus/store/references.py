"""References of records to records of other tables, and the statements that find those that dangle."""

from collections.abc import Mapping

TARGETS: Mapping[str, str] = {
    "ca_secret_id": "secrets",
    "crl_secret_id": "secrets",
    "external_network_id": "networks",
    "file_share_id": "file_shares",
    "floating_ip_id": "floating_ips",
    "instance_id": "instances",
    "default_pool_id": "pools",
    "l7_policy_id": "l7_policies",
    "listener_id": "listeners",
    "load_balancer_id": "load_balancers",
    "pool_id": "pools",
    "redirect_pool_id": "pools",
    "vip_port_id": "ports",
    "lifecycle_policy_id": "lifecycle_policies",
    "network_id": "networks",
    "placement_group_id": "placement_groups",
    "port_id": "ports",
    "project_id": "projects",
    "remote_group_id": "security_groups",
    "router_id": "routers",
    "router_port_id": "router_ports",
    "schedule_id": "schedules",
    "secret_id": "secrets",
    "security_group_id": "security_groups",
    "subnet_id": "subnets",
    "subscription_id": "subscriptions",
    "volume_id": "volumes",
}
"""The tables that columns with these names refer to."""
TAGGED = (
    "instances",
    "images",
    "volumes",
    "snapshots",
    "networks",
    "subnets",
    "floating_ips",
    "security_groups",
    "load_balancers",
    "file_shares",
)
"""The tables whose records have tags."""
REFERENCES = (
    "addresses.file_share_id", "file_shares.network_id", "file_shares.project_id", "file_shares.subnet_id",
    "share_access_rules.file_share_id",
    "addresses.floating_ip_id", "addresses.port_id", "addresses.router_port_id", "addresses.subnet_id",
    "attachments.instance_id", "attachments.volume_id", "ddos_profiles.project_id", "deliveries.subscription_id",
    "floating_ips.port_id", "floating_ips.project_id", "floating_ips.router_id", "health_monitors.load_balancer_id",
    "health_monitors.pool_id", "health_monitors.project_id", "images.project_id", "instances.placement_group_id",
    "instances.project_id", "l7_policies.listener_id", "l7_policies.load_balancer_id", "l7_policies.project_id",
    "l7_policies.redirect_pool_id", "l7_rules.l7_policy_id", "l7_rules.load_balancer_id", "l7_rules.project_id",
    "lifecycle_policies.project_id", "listeners.default_pool_id", "listeners.load_balancer_id", "listeners.project_id",
    "load_balancers.project_id", "load_balancers.vip_port_id", "members.load_balancer_id",
    "members.pool_id", "members.project_id", "members.subnet_id", "networks.project_id", "placement_groups.project_id",
    "policy_volumes.lifecycle_policy_id", "policy_volumes.volume_id", "pools.load_balancer_id", "pools.project_id",
    "port_security_groups.port_id", "port_security_groups.security_group_id", "ports.instance_id",
    "ports.load_balancer_id", "ports.network_id", "ports.project_id", "router_ports.network_id",
    "router_ports.router_id", "routers.external_network_id", "routers.network_id", "routers.project_id",
    "secret_uses.secret_id", "secrets.project_id", "listeners.secret_id", "pools.secret_id",
    "pools.ca_secret_id", "pools.crl_secret_id",
    "schedules.lifecycle_policy_id", "schedules.project_id", "security_group_rules.remote_group_id",
    "security_group_rules.security_group_id", "security_groups.project_id", "snapshots.project_id",
    "snapshots.volume_id", "ssh_keys.project_id", "subnets.network_id", "subnets.project_id", "tags.project_id",
    "tags.resource_id", "volumes.project_id",
)  # fmt: skip
"""The columns whose values exist in the tables that they refer to."""
MAY_DANGLE: Mapping[str, str] = {
    "due_snapshots.schedule_id": "a due snapshot whose schedule is gone is dropped by the next poll",
    "due_snapshots.volume_id": "a due snapshot whose volume is gone is dropped by the next poll",
    "http_faults.project_id": "an operator may select requests of a project that does not exist",
    "members.instance_id": "a member keeps the address of an instance that is gone",
    "simulated_share_rules.file_share_id": "a part of the simulated cloud, which may differ from the records",
    "simulated_snapshots.volume_id": "a part of the simulated cloud, which may differ from the records",
    "snapshots.lifecycle_policy_id": "a fact of the past: snapshots survive their policy",
    "snapshots.schedule_id": "a fact of the past: snapshots survive their schedule",
    "tasks.project_id": "a fact of the past",
    "usage_records.project_id": "a fact of the past",
    "usage_records.resource_id": "a fact of the past",
    "user_actions.project_id": "a fact of the past",
}
"""Columns with such names that may refer to something that is gone, with the reason."""


def dangling_statement(column: str) -> str:
    """Return the statement that selects the values of `table.column` that refer to nothing."""
    table, name = column.split(".")
    if name == "resource_id":
        exists = " OR ".join(f"EXISTS (SELECT 1 FROM {target} t WHERE t.id = r.{name})" for target in TAGGED)
    elif name == "ip_address":
        exists = f"EXISTS (SELECT 1 FROM addresses t WHERE t.ip = r.{name})"
    else:
        is_present = " AND t.deleted_at IS NULL" if name == "project_id" else ""
        exists = f"EXISTS (SELECT 1 FROM {TARGETS[name]} t WHERE t.id = r.{name}{is_present})"
    return f"SELECT r.{name} FROM {table} r WHERE r.{name} IS NOT NULL AND NOT ({exists})"
