"""Tasks as the API returns them, and their ids."""

from typing import Any

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.times import format_without_offset
from pileus.domain.tasks import Task, TaskState


class TaskIds(Struct, kw_only=True):
    """The tasks that a request has started; empty if there was nothing to do."""

    tasks: list[str]


class TaskView(Struct, kw_only=True):
    """A task. Once it is finished, `created_resources` contains the ids of the new resources, by kind."""

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
        """Make the view of a task.

        `error` is null until the task has undone its steps, because older clients stop waiting when they see it.
        """
        return make_view(
            cls,
            task,
            detailed_state=None,
            error=task.error if task.state == TaskState.ERROR else None,
            user_client_id=task.client_id,
            job_id=None,
            schedule_id=task.args.get("schedule_id"),
            lifecycle_policy_id=task.args.get("lifecycle_policy_id"),
            created_on=format_without_offset(task.created_at),
            updated_on=_naive_or_none(task.updated_at),
            finished_on=_naive_or_none(task.finished_at),
            acknowledged_at=_naive_or_none(task.acknowledged_at),
        )


def _naive_or_none(us: int | None) -> str | None:
    return None if us is None else format_without_offset(us)
