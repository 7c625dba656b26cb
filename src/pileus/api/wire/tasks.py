"""Tasks as the API shows them, and the ids that long operations answer with."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from pileus.api.wire.times import naive
from pileus.domain.tasks import Task, TaskState


class TaskIds(Struct, kw_only=True):
    """The tasks that a request has started; none if there was nothing to do."""

    tasks: list[str]


class TaskView(Struct, kw_only=True):
    """A task; `created_resources` names what it has made, by kind, once it is finished."""

    id: str
    task_type: str
    state: str
    detailed_state: str | None
    error: str | None
    data: Any
    created_resources: dict[str, list[str | int]] | None
    request_id: str | None
    client_id: int | None
    user_id: int
    user_client_id: int | None
    project_id: int | None
    region_id: int | None
    job_id: str | None
    schedule_id: str | None
    lifecycle_policy_id: int | None
    created_on: str | None
    updated_on: str | None
    finished_on: str | None
    acknowledged_at: str | None
    acknowledged_by: int | None

    @classmethod
    def of(cls, task: Task) -> "TaskView":
        """Show a task; older clients stop waiting at an error, so it is kept back until nothing is left to undo."""
        return cls(
            id=task.id,
            task_type=task.task_type,
            state=task.state,
            detailed_state=None,
            error=task.error if task.state == TaskState.ERROR else None,
            data=task.data,
            created_resources=task.created_resources,
            request_id=task.request_id,
            client_id=task.client_id,
            user_id=task.user_id,
            user_client_id=task.client_id,
            project_id=task.project_id,
            region_id=task.region_id,
            job_id=None,
            schedule_id=task.args.get("schedule_id"),
            lifecycle_policy_id=task.args.get("lifecycle_policy_id"),
            created_on=naive(task.created_at),
            updated_on=_when(task.updated_at),
            finished_on=_when(task.finished_at),
            acknowledged_at=_when(task.acknowledged_at),
            acknowledged_by=task.acknowledged_by,
        )


class AcknowledgeTasks(Struct, kw_only=True):
    """Which tasks to acknowledge: all, if null or absent."""

    task_ids: Annotated[list[str], Meta(max_length=1000)] | None = None


def _when(us: int | None) -> str | None:
    return None if us is None else naive(us)
