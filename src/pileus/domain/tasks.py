"""Tasks: durable operations, which requests and schedules start and the engine performs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import Conflict, TooManyRequests
from pileus.domain.places import Caller, Place

A = TypeVar("A", bound=Struct)
SECRET_ARGS = frozenset({"url", "configuration"})
"""Arguments that can hold secrets: a token in the URL of an image, a password in the answers to an app template."""
RETRY_AFTER = 10
"""Seconds after which a tenant with too many unfinished tasks may try again."""


class SlotClass(StrEnum):
    """The classes of a worker's slots: downloads and copies, which take long, have slots of their own."""

    QUICK = "quick"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class TaskType(Generic[A]):
    """The name of a task type in the public API and in the database, the type of its arguments, and its slot class.

    Task types are defined in `domain/<family>/task_types.py`. Services start tasks; `tasks/` defines how they run.
    """

    name: str
    args: type[A]
    slot_class: SlotClass = SlotClass.QUICK


class TaskState(StrEnum):
    """The states of tasks in the public API."""

    NEW = "NEW"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    ERROR = "ERROR"


class Task(Struct, frozen=True, kw_only=True):
    """A task: clients see `data`, the operation gets `args`, and `step` is the number of steps known to be finished.

    While the operation is `undoing`, `step` is the number of steps that are still to be undone. If a worker died while
    it ran the task, the task was `interrupted`, and later steps may have begun. The task waits in its `queue` for a
    slot of its class; `held_by` is the injected fault that holds it.

    `last_step` is the name of the step with the number `step`, by which another version finds the place to go on.
    `waiting_since` is when the current step began to wait for something under way, `unreachable_since` when the driver
    stopped to answer, both on the clock of the system.
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
    slot_class: str = SlotClass.QUICK
    queue: str
    held_by: str | None = None
    interrupted: bool = False
    last_step: str | None = None
    waiting_since: int | None = None
    unreachable_since: int | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the task has finished or failed."""
        return self.state in (TaskState.FINISHED, TaskState.ERROR)

    @property
    def args_without_secrets(self) -> dict[str, Any]:
        """The arguments that are kept when the task has ended."""
        return {name: value for name, value in self.args.items() if name not in SECRET_ARGS}

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


class UnfinishedTasks(Struct, frozen=True, kw_only=True):
    """The unfinished tasks of a type in a state: their number, and when the oldest one was created."""

    task_type: str
    state: str
    count: int
    oldest_created_at: int


class QueueFigures(Struct, frozen=True, kw_only=True):
    """The tasks that could run if there were a slot: their number, and the time since which the oldest one waits."""

    waiting: int = 0
    oldest_since: int | None = None

    def oldest_age(self, now: int) -> float:
        """Return the seconds for which the oldest task waits; 0 if there is none."""
        return max(0, now - self.oldest_since) / 1_000_000 if self.oldest_since is not None else 0.0


def queue_name(client_id: int, region_id: int | None) -> str:
    """Return the name of the queue of a tenant's tasks in a region; they wait for each other only."""
    return f"{client_id}/{region_id or 0}"


def check_task_limit(unfinished: int, limit: int) -> None:
    """Raise TooManyRequests if a tenant has so many unfinished tasks that it may not start another one."""
    if unfinished >= limit:
        raise TooManyRequests(
            f"There are {limit} unfinished tasks, which is the limit: try again when some have ended", RETRY_AFTER
        )


def has_secret_args(args: dict[str, Any]) -> bool:
    """Return whether the arguments of a task can hold secrets."""
    return any(args.get(name) for name in SECRET_ARGS)


def new_task(  # noqa: PLR0913  # the fields of a task
    task_id: str,
    task_type: TaskType[A],
    caller: Caller,
    place: Place,
    *,
    request_id: str,
    now: int,
    args: dict[str, Any],
    data: dict[str, Any] | None = None,
    slot_class: SlotClass | None = None,
) -> Task:
    """Return the task that a caller's request starts; without `data`, clients see `args`.

    Without `slot_class`, the task has that of its type.
    """
    return Task(
        id=task_id,
        task_type=task_type.name,
        client_id=place.client_id,
        user_id=caller.user_id,
        project_id=place.project_id or None,
        region_id=place.region_id or None,
        request_id=request_id,
        args=args,
        data=data if data is not None else args,
        created_at=now,
        slot_class=slot_class or task_type.slot_class,
        queue=queue_name(place.client_id, place.region_id),
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
