"""What is in a project: locked together when the project is being deleted, and removed together in the end."""

from pileus.domain.errors import Conflict
from pileus.store.database import Row, Tx

LOCKABLE = (
    "instances", "volumes", "snapshots", "images", "networks", "subnets", "routers", "ports", "floating_ips",
    "security_groups", "placement_groups", "ddos_profiles",
)  # fmt: skip
"""Tables of things that belong to a project and that a task can hold."""

PORTS = "port_id IN (SELECT id FROM ports WHERE project_id = :project_id)"
FLOATING_IPS = "floating_ip_id IN (SELECT id FROM floating_ips WHERE project_id = :project_id)"
ROUTERS = "router_id IN (SELECT id FROM routers WHERE project_id = :project_id)"
ROUTER_PORTS = f"router_port_id IN (SELECT id FROM router_ports WHERE {ROUTERS})"  # names of our own
GROUPS = "security_group_id IN (SELECT id FROM security_groups WHERE project_id = :project_id)"
VOLUMES = "volume_id IN (SELECT id FROM volumes WHERE project_id = :project_id)"
OWN = "project_id = :project_id"
REMOVED = {
    **dict.fromkeys(("attachments", "policy_volumes", "due_snapshots"), VOLUMES),
    "addresses": f"{PORTS} OR {FLOATING_IPS} OR {ROUTER_PORTS}",
    "router_ports": ROUTERS,
    "port_security_groups": f"{PORTS} OR {GROUPS}",
    "security_group_rules": GROUPS,
    **dict.fromkeys(("floating_ips", "ports", "security_groups", "snapshots", "volumes", "instances"), OWN),
    **dict.fromkeys(("subnets", "routers", "networks", "images", "placement_groups", "ddos_profiles"), OWN),
    **dict.fromkeys(("ssh_keys", "tags", "schedules", "lifecycle_policies"), OWN),
}
"""Tables in the order in which they can be emptied of a project, and what of them is the project's."""


async def lock(tx: Tx, project_id: int, task_id: str) -> None:
    """Let a task hold everything that is in a project; raises Conflict if another works on something of it."""
    for table in LOCKABLE:
        await tx.run(
            f"UPDATE {table} SET task_id = :task_id, revision = revision + 1"  # names of our own
            " WHERE project_id = :project_id AND task_id IS NULL",
            project_id=project_id,
            task_id=task_id,
        )
    await tx.run("UPDATE instances SET task_state = 'deleting' WHERE project_id = :project_id", project_id=project_id)
    await tx.run("UPDATE ssh_keys SET state = 'DELETING' WHERE project_id = :project_id", project_id=project_id)
    await check_no_other_task(tx, project_id, task_id)


async def check_no_other_task(tx: Tx, project_id: int, task_id: str) -> None:
    """Return if nobody but a task works in its project; raises Conflict."""
    busy = "SELECT 1 FROM tasks WHERE project_id = :project_id AND state IN ('NEW', 'RUNNING') AND id <> :task_id"
    others = "SELECT 1 FROM {table} WHERE project_id = :project_id AND (task_id IS NULL OR task_id <> :task_id)"
    for statement in (busy, *(others.format(table=table) for table in LOCKABLE)):
        if await tx.one(f"{statement} LIMIT 1", project_id=project_id, task_id=task_id):
            raise Conflict(f"A task is under way in project {project_id}: try again when it has finished")


async def unlock(tx: Tx, project_id: int, task_id: str) -> None:
    """Let go of what a task holds in a project."""
    await tx.run(
        "UPDATE instances SET task_state = NULL WHERE project_id = :project_id AND task_id = :task_id",
        project_id=project_id,
        task_id=task_id,
    )
    for table in LOCKABLE:
        await tx.run(
            f"UPDATE {table} SET task_id = NULL, revision = revision + 1"  # names of our own
            " WHERE project_id = :project_id AND task_id = :task_id",
            project_id=project_id,
            task_id=task_id,
        )
    await tx.run("UPDATE ssh_keys SET state = 'ACTIVE' WHERE project_id = :project_id", project_id=project_id)


async def set_status(table: str, thing_id: str, status: str, tx: Tx) -> None:
    """Give a thing a status."""
    await tx.run(
        f"UPDATE {table} SET status = :status, revision = revision + 1 WHERE id = :id",  # names of our own
        id=thing_id,
        status=status,
    )


async def set_status_of_all(table: str, project_id: int, before: str, after: str, tx: Tx) -> None:
    """Give all of a project's things that have one status another."""
    await tx.run(
        f"UPDATE {table} SET status = :after, revision = revision + 1"  # names of our own
        " WHERE project_id = :project_id AND status = :before",
        project_id=project_id,
        before=before,
        after=after,
    )


async def remove(tx: Tx, project_id: int) -> None:
    """Delete the records of everything that is in a project; its tasks and its audit log stay."""
    for table, its in REMOVED.items():
        await tx.run(f"DELETE FROM {table} WHERE {its}", project_id=project_id)  # names of our own


async def list_ids(tx: Tx, table: str, project_id: int) -> list[str]:
    """The ids of a project's things of one kind."""
    rows: list[Row] = [*await tx.all(f"SELECT id FROM {table} WHERE {OWN} ORDER BY id", project_id=project_id)]
    return [row[0] for row in rows]
