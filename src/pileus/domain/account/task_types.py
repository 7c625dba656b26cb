"""Task types on projects, and their arguments."""

from msgspec import Struct

from pileus.domain.tasks import TaskType


class DeleteProjectArgs(Struct, frozen=True, kw_only=True):
    """A project."""

    project_id: int


DELETE_PROJECT = TaskType("delete_project", DeleteProjectArgs)
