"""All tables of the schema: what each of them holds, and whose rows they are.

Whoever works on all tables reads this list: the deletion of a project, resets, and files with the state of a cloud.
"""

from enum import StrEnum

from msgspec import Struct

TAGGED_KINDS = (
    "'instance', 'volume', 'snapshot', 'image', 'network', 'subnet', 'floating_ip', 'security_group', 'load_balancer',"
    " 'file_share'"
)
"""All kinds of resources with tags: naming them selects the index."""
OWN = "project_id = :project_id"
IDS = "SELECT id FROM {table} WHERE project_id = :project_id"
PORTS = f"port_id IN ({IDS.format(table='ports')})"
FLOATING_IPS = f"floating_ip_id IN ({IDS.format(table='floating_ips')})"
FILE_SHARES = f"file_share_id IN ({IDS.format(table='file_shares')})"
ROUTERS = f"router_id IN ({IDS.format(table='routers')})"
ROUTER_PORTS = f"router_port_id IN (SELECT id FROM router_ports WHERE {ROUTERS})"
GROUPS = f"security_group_id IN ({IDS.format(table='security_groups')})"
VOLUMES = f"volume_id IN ({IDS.format(table='volumes')})"
NETWORK_TABLES = ("networks", "subnets", "routers", "ports", "floating_ips", "security_groups", "load_balancers")
NETWORK_PARTS = " OR ".join(
    [
        *(f"id IN ({IDS.format(table=table)})" for table in NETWORK_TABLES),
        f"id IN (SELECT id FROM router_ports WHERE {ROUTERS})",
    ]
)
PROTECTIONS = (
    "EXISTS (SELECT 1 FROM ddos_profiles p WHERE p.project_id = :project_id"
    " AND p.region_id = simulated_protections.region_id AND p.ip_address = simulated_protections.ip_address)"
)
OF_TENANT = "client_id = :client_id"
OWN_OF_TENANT = f"{OF_TENANT} AND {OWN}"
DELIVERIES = f"action_id IN (SELECT id FROM user_actions WHERE {OWN_OF_TENANT})"
OFFERED = "project_id IS NULL"
"""Selects what the catalogue offers, in tables that also have rows of projects."""


class Content(StrEnum):
    """What the rows of a table are.

    SERVER: facts about the database itself, which a reset leaves alone and a state file does not contain.
    CATALOGUE: what the catalogue offers. ACCESS: tenants, and who may use them. RESOURCES: what projects contain.
    RECORDS: what has happened. SIMULATION: the simulated cloud.
    """

    SERVER = "server"
    CATALOGUE = "catalogue"
    ACCESS = "access"
    RESOURCES = "resources"
    RECORDS = "records"
    SIMULATION = "simulation"


class TableScope(StrEnum):
    """Where the rows of a table are, if the tenants of a cloud share several databases, the cells.

    REGIONAL: in the database of the region's cell. EACH: each database has rows of its own. GLOBAL: only in that of
    cell 0. COPIED: that one has the rows, and the others have copies, which only copying changes.
    """

    REGIONAL = "regional"
    EACH = "each"
    GLOBAL = "global"
    COPIED = "copied"


GLOBAL_TABLES = frozenset({"users", "api_keys", "login_sessions", "limit_requests"})
COPIED_TABLES = frozenset({"clients", "projects", "ssh_keys", "quota_limits", "quota_thresholds", "subscriptions"})
SIMULATION_OF_EACH = frozenset({"faults", "http_faults", "blackhole_ports", "simulated_settings", "controls"})


class StoredTable(Struct, frozen=True, kw_only=True):
    """A table, with the conditions that select the rows of a project and of a tenant (`:project_id`, `:client_id`).

    `kept` selects the rows that a reset of the whole cloud leaves alone.
    """

    name: str
    content: Content
    of_project: str = ""
    of_tenant: str = ""
    kept: str = ""

    @property
    def scope(self) -> TableScope:
        """Where the rows are, if there are several cells."""
        if self.name in GLOBAL_TABLES:
            return TableScope.GLOBAL
        if self.name in COPIED_TABLES:
            return TableScope.COPIED
        is_regional = self.content in (Content.RESOURCES, Content.SIMULATION) and self.name not in SIMULATION_OF_EACH
        return TableScope.REGIONAL if is_regional else TableScope.EACH


def _tables(content: Content, *names: str, **conditions: str) -> tuple[StoredTable, ...]:
    return tuple(StoredTable(name=name, content=content, **conditions) for name in names)


def _resources(name: str, of_project: str) -> StoredTable:
    return StoredTable(name=name, content=Content.RESOURCES, of_project=of_project)


def _simulated(name: str, of_project: str) -> StoredTable:
    return StoredTable(name=f"simulated_{name}", content=Content.SIMULATION, of_project=of_project)


def _of_records(table: str) -> str:
    """Return the condition of the parts of the simulated cloud that have the ids of a project's records."""
    return f"id IN ({IDS.format(table=table)})"


STORED_TABLES = (
    *_tables(Content.SERVER, "schema_versions", "secret_keys", "driver_homes", "region_homes", "region_drivers"),
    *_tables(Content.SERVER, "retention", "leases", "own_cell"),
    *_tables(Content.CATALOGUE, "flavors", kept="1 = 1"),
    *_tables(Content.ACCESS, "counters", kept="name LIKE 'simulated%'"),
    *_tables(Content.ACCESS, "account_revisions", "account_copies", of_tenant=OF_TENANT),
    *_tables(Content.ACCESS, "clients", "users", "api_keys", "login_sessions", "projects"),
    *_tables(Content.RECORDS, "quota_limits", "quota_thresholds", "limit_requests", of_tenant=OF_TENANT),
    *_tables(Content.RECORDS, "resource_counts"),
    *_tables(Content.SIMULATION, "faults", "http_faults", of_tenant=OF_TENANT),
    *_tables(Content.SIMULATION, "client_capacities", "blackhole_ports", of_tenant=OF_TENANT),
    *_tables(Content.RECORDS, "subscriptions", of_tenant=OF_TENANT),
    *_tables(Content.RECORDS, "tasks", "usage_records", "user_actions", of_project=OWN_OF_TENANT, of_tenant=OF_TENANT),
    *_tables(Content.RECORDS, "deliveries", of_project=DELIVERIES),
    *_tables(Content.RESOURCES, "tags", of_project=f"{OWN} AND kind IN ({TAGGED_KINDS})"),
    *_tables(Content.RESOURCES, "lifecycle_policies", "schedules", "ssh_keys", of_project=OWN),
    *_tables(Content.RESOURCES, "ddos_profiles", "placement_groups", of_project=OWN),
    *_tables(Content.RESOURCES, "images", "networks", of_project=OWN, kept=OFFERED),
    _resources("routers", OWN),
    *_tables(Content.RESOURCES, "subnets", of_project=OWN, kept=OFFERED),
    *_tables(Content.RESOURCES, "instances", "volumes", "snapshots", "security_groups", of_project=OWN),
    *_tables(Content.RESOURCES, "ports", "floating_ips", of_project=OWN),
    *_tables(Content.RESOURCES, "load_balancers", "pools", "listeners", "members", of_project=OWN),
    *_tables(Content.RESOURCES, "health_monitors", "l7_policies", "l7_rules", of_project=OWN),
    _resources("secrets", OWN),
    _resources("secret_uses", f"secret_id IN ({IDS.format(table='secrets')})"),
    _resources("security_group_rules", GROUPS),
    _resources("port_security_groups", f"{PORTS} OR {GROUPS}"),
    _resources("router_ports", ROUTERS),
    _resources("file_shares", OWN),
    _resources("share_access_rules", FILE_SHARES),
    _resources("addresses", f"{PORTS} OR {FLOATING_IPS} OR {ROUTER_PORTS} OR {FILE_SHARES}"),
    *_tables(Content.RESOURCES, "due_snapshots", "policy_volumes", "attachments", of_project=VOLUMES),
    _simulated("machines", _of_records("instances")),
    _simulated("volumes", _of_records("volumes")),
    _simulated("snapshots", _of_records("snapshots")),
    _simulated("file_shares", _of_records("file_shares")),
    _simulated("share_rules", FILE_SHARES),
    _simulated("images", _of_records("images")),
    _simulated("network_parts", NETWORK_PARTS),
    _simulated("protections", PROTECTIONS),
    *_tables(Content.SIMULATION, "simulated_settings", "controls"),
)
"""All tables. A table stands behind those that its rows refer to: they are filled in this order, and emptied in the
opposite one."""
CLOUD_TABLES = tuple(table for table in STORED_TABLES if table.content is not Content.SERVER)
"""The tables of the cloud, without those about the database itself."""
