"""Tasks: durable operations, which requests and schedules start and the engine performs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import Conflict
from pileus.domain.places import Caller, Place

A = TypeVar("A", bound=Struct)


@dataclass(frozen=True, slots=True)
class TaskType(Generic[A]):
    """The name of a task type in the public API and in the database, and the type of its arguments.

    Task types are defined in `domain/<family>/task_types.py`. Services start tasks; `tasks/` defines how they run.
    """

    name: str
    args: type[A]


class TaskState(StrEnum):
    """The states of tasks in the public API."""

    NEW = "NEW"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    ERROR = "ERROR"


class Task(Struct, frozen=True, kw_only=True):
    """A task: clients see `data`, the operation gets `args`, and `step` is the number of finished steps.

    While the operation is `undoing`, `step` is the number of steps that are still to be undone.
    """

    id: str
    task_type: str
    state: str = TaskState.NEW
    client_id: int
    user_id: int
    project_id: int | None
    region_id: int | None
    request_id: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    args: dict[str, Any] = field(default_factory=dict)
    created_resources: dict[str, list[str | int]] | None = None
    error: str | None = None
    step: int = 0
    undoing: bool = False
    attempts: int = 0
    lease_token: str | None = None
    lease_until: int = 0
    acknowledged_at: int | None = None
    acknowledged_by: int | None = None
    created_at: int
    updated_at: int | None = None
    finished_at: int | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the task has finished or failed."""
        return self.state in (TaskState.FINISHED, TaskState.ERROR)

    @property
    def place(self) -> Place:
        """The project and region that the task belongs to; 0 stands for none."""
        return Place(self.client_id, self.project_id or 0, self.region_id or 0)

    def acknowledged(self, user_id: int, now: int) -> "Task":
        """Return the task as acknowledged; the first acknowledgement stays. Raises Conflict until the task ends."""
        if not self.has_ended:
            raise Conflict(f"Task {self.id} is {self.state}: it can be acknowledged when it has ended")
        if self.acknowledged_at is not None:
            return self
        return replace(self, acknowledged_at=now, acknowledged_by=user_id)


def new_task(  # noqa: PLR0913  # the fields of a task
    task_id: str,
    task_type: str,
    caller: Caller,
    place: Place,
    *,
    request_id: str,
    now: int,
    args: dict[str, Any],
    data: dict[str, Any] | None = None,
) -> Task:
    """Return the task that a caller's request starts; without `data`, clients see `args`."""
    return Task(
        id=task_id,
        task_type=task_type,
        client_id=place.client_id,
        user_id=caller.user_id,
        project_id=place.project_id or None,
        region_id=place.region_id or None,
        request_id=request_id,
        args=args,
        data=data if data is not None else args,
        created_at=now,
    )


CREATED_KINDS = (
    "ai_clusters", "api_keys", "caas_containers", "clusters", "ddos_profiles", "faas_functions", "faas_namespaces",
    "file_shares", "floatingips", "healthmonitors", "images", "inference_instances", "instances", "k8s_clusters",
    "k8s_pools", "l7polices", "l7rules", "laas_topic", "listeners", "loadbalancers", "members", "networks", "pools",
    "ports", "postgresql_clusters", "projects", "registry_registries", "registry_users", "routers", "secrets",
    "security_group_rules", "security_groups", "servergroups", "snapshots", "subnets", "volumes",
)  # fmt: skip


def created_resources_by_kind(**kinds: list[str] | list[int]) -> dict[str, list[str | int]]:
    """Return the ids of created resources for every kind of the public API, with empty lists for the others."""
    return {kind: list(kinds.get(kind, [])) for kind in CREATED_KINDS}
