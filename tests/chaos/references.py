"""Every column that refers to a record of another table, the races that cover it, or the reason why none is needed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.tenants import Tenant

Request = tuple[str, str, Any]
"""Method, path and body."""
Prepare = Callable[[Tenant], Awaitable[tuple[Request, Request]]]
"""Creates what a race needs; returns the request that uses a record, and the one that deletes it."""


@dataclass(frozen=True, slots=True)
class Race:
    """The use and the deletion of one record."""

    name: str
    columns: tuple[str, ...]
    prepare: Prepare


RACES: list[Race] = []

NO_REFERENCES = {
    "segmentation_id": "the number of a VLAN or tunnel",
    "fingerprint_id": "part of a key",
    "holder_id": "a listener or a pool, which removes its uses of secrets when it is deleted",
    "home_id": "names the data directory of a server",
    "owner_id": "the owner of a count: a count whose owner is gone is 0",
}
NEVER_DELETED = {
    **dict.fromkeys(("client_id", "user_id"), "the record of a deleted tenant stays, and users who own something do"),
    **dict.fromkeys(("token_id",), "keys are revoked, not deleted"),
    **dict.fromkeys(("acknowledged_by",), "users are never deleted"),
    **dict.fromkeys(("task_id", "creator_task_id"), "tasks are never deleted"),
    **dict.fromkeys(("request_id",), "a request is no record"),
    **dict.fromkeys(("region_id", "flavor_id", "template_id", "apptemplate_id"), "the catalogue keeps what is in use"),
}
"""Columns of any table."""
NO_RACE = {
    "addresses.file_share_id": "written with its file share and deleted with it",
    "addresses.floating_ip_id": "written with its floating IP and deleted with it",
    "addresses.router_port_id": "written with its router port and deleted with it",
    "deliveries.action_id": "the audit log is never deleted",
    "due_snapshots.schedule_id": "a due snapshot whose schedule is gone is dropped by the next poll",
    "due_snapshots.volume_id": "a due snapshot whose volume is gone is dropped by the next poll",
    "http_faults.project_id": "an operator may select requests of a project that does not exist",
    "instances.ssh_key_id": "a fact of the past: a key may be deleted while instances have it",
    **dict.fromkeys(
        (
            "health_monitors.load_balancer_id",
            "health_monitors.pool_id",
            "l7_policies.listener_id",
            "l7_policies.load_balancer_id",
            "l7_policies.redirect_pool_id",
            "l7_rules.l7_policy_id",
            "l7_rules.load_balancer_id",
            "listeners.default_pool_id",
            "listeners.load_balancer_id",
        ),
        "a change of a part locks the whole load balancer",
    ),
    "members.instance_id": "a fact of the past: a member keeps the address of an instance that is gone",
    "routers.external_network_id": "external networks belong to the catalogue, which keeps what is in use",
    "routers.network_id": "written with its network, and cleared when that is deleted",
    "pools.crl_secret_id": "used with `pools.ca_secret_id`, and checked like it",
    "simulated_network_parts.parent_id": "state of the driver, which tasks change while they lock the resources",
    "simulated_share_rules.file_share_id": "state of the driver, which deletes the rules with the file share",
    "simulated_snapshots.volume_id": "state of the driver: simulated snapshots survive their volume",
    "simulated_volumes.machine_id": "state of the driver, which tasks change while they lock volume and instance",
    "snapshots.lifecycle_policy_id": "a fact of the past: snapshots survive their policy",
    "snapshots.schedule_id": "a fact of the past: snapshots survive their schedule",
    "tasks.held_by": "a foreign key clears it when the fault is deleted",
    "tasks.project_id": "a fact of the past",
    "usage_records.project_id": "a fact of the past",
    "usage_records.resource_id": "a fact of the past",
    "user_actions.project_id": "a fact of the past",
    "volumes.image_id": "a fact of the past: while a volume needs it, `find_dependent_resource` refuses its deletion",
    "volumes.snapshot_id": "a fact of the past: while a volume is being created from it, its deletion is refused",
}

COLUMNS = """
SELECT table_name || '.' || column_name FROM information_schema.columns
WHERE table_schema = 'public' AND (column_name LIKE '%\\_id' OR column_name LIKE '%\\_by')
"""
"""Every column that may refer to a record."""


def covers(*columns: str) -> Callable[[Prepare], Prepare]:
    """Add a race that covers these columns; it is called like the function that prepares it."""

    def add(prepare: Prepare) -> Prepare:
        RACES.append(Race(prepare.__name__, columns, prepare))
        return prepare

    return add


def is_explained(column: str) -> bool:
    """Return whether a column needs no race."""
    name = column.partition(".")[2]
    return column in NO_RACE or name in NEVER_DELETED or name in NO_REFERENCES
