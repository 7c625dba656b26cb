"""Statements that select what must not exist while no task is unfinished."""

import tests.chaos.balancer_races
import tests.chaos.tag_races  # noqa: F401  # both add races, whose columns are checked, after those of `races`
from pileus.store.project_contents import LOCKABLE
from pileus.store.references import dangling_statement
from tests.chaos.references import RACES

COVERED = {column for race in RACES for column in race.columns}
"""The columns that refer to records which can be deleted."""
UNFINISHED = "SELECT id FROM tasks WHERE state IN ('NEW', 'RUNNING')"

DANGLING = {column: dangling_statement(column) for column in sorted(COVERED)}
LOCKS = {
    f"locks of {table}": f"SELECT id, task_id FROM {table} WHERE task_id IS NOT NULL AND task_id NOT IN ({UNFINISHED})"
    for table in (*LOCKABLE, "projects")
}
HALF_DONE = {
    "tasks that failed inside": "SELECT id, task_type, error FROM tasks WHERE error LIKE '%nternal%'",
    "tasks that ended without a time": (
        "SELECT id, task_type FROM tasks WHERE state IN ('FINISHED', 'ERROR') AND finished_at IS NULL"
    ),
    "addresses used twice": "SELECT subnet_id, ip FROM addresses GROUP BY subnet_id, ip HAVING count(*) > 1",
    "public addresses used twice": (
        "SELECT a.ip FROM addresses a JOIN subnets s ON s.id = a.subnet_id JOIN networks n ON n.id = s.network_id"
        " WHERE n.external = 1 GROUP BY a.ip HAVING count(*) > 1"
    ),
    "addresses of nothing": (
        "SELECT subnet_id, ip FROM addresses"
        " WHERE port_id IS NULL AND floating_ip_id IS NULL AND router_port_id IS NULL AND file_share_id IS NULL"
    ),
    "ports without an address": "SELECT id FROM ports WHERE id NOT IN (SELECT port_id FROM addresses"
    " WHERE port_id IS NOT NULL)",
    "floating IPs without an address": "SELECT id FROM floating_ips WHERE id NOT IN (SELECT floating_ip_id"
    " FROM addresses WHERE floating_ip_id IS NOT NULL)",
    "ports that nothing uses": (
        "SELECT id FROM ports WHERE instance_id IS NULL AND load_balancer_id IS NULL AND reserved = 0"
    ),
    "instances without a port": "SELECT id FROM instances WHERE id NOT IN (SELECT instance_id FROM ports"
    " WHERE instance_id IS NOT NULL)",
    "volumes whose status differs from their attachments": (
        "SELECT v.id, v.status FROM volumes v LEFT JOIN attachments a ON a.volume_id = v.id"
        " WHERE v.status NOT IN ('available', 'in-use') OR (v.status = 'in-use') <> (a.volume_id IS NOT NULL)"
    ),
    "instances in transition": (
        "SELECT id, status, task_state FROM instances WHERE task_state IS NOT NULL AND task_id IS NULL"
    ),
}
STATEMENTS = DANGLING | LOCKS | HALF_DONE
"""What every cloud is checked for, by the name of what is found."""

DRIVER_TABLES = {
    "instances": "simulated_machines",
    "volumes": "simulated_volumes",
    "file_shares": "simulated_file_shares",
    "networks": "simulated_network_parts WHERE kind = 'network'",
    "load_balancers": "simulated_network_parts WHERE kind = 'load_balancer'",
}
"""The tables of the simulated driver that correspond to those of the records."""
QUOTA_COUNTS = {
    "vm_count_usage": "SELECT count(*) FROM instances WHERE kind = 'vm'",
    "volume_count_usage": "SELECT count(*) FROM volumes",
    "volume_size_usage": "SELECT coalesce(sum(size), 0) FROM volumes",
    "volume_snapshots_count_usage": "SELECT count(*) FROM snapshots",
    "floating_count_usage": "SELECT count(*) FROM floating_ips",
    "external_ip_count_usage": (
        "SELECT count(*) FROM ports WHERE network_id IN (SELECT id FROM networks WHERE external = 1)"
        " AND vrrp_role IS NULL"
    ),
    "loadbalancer_count_usage": "SELECT count(*) FROM load_balancers",
    "sfs_count_usage": "SELECT count(*) FROM file_shares",
    "sfs_size_usage": "SELECT coalesce(sum(size), 0) FROM file_shares",
    "secret_count_usage": "SELECT count(*) FROM secrets",
    "firewall_count_usage": "SELECT count(*) FROM security_groups",
    "network_count_usage": "SELECT count(*) FROM networks WHERE project_id IS NOT NULL",
}
"""The number of records that count for a quota, where there is only one tenant."""
