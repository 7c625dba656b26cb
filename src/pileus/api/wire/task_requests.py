"""Request bodies for tasks."""

from typing import Annotated

from msgspec import Meta, Struct


class AcknowledgeTasks(Struct, kw_only=True):
    """The tasks to acknowledge: all of them if null or absent."""

    task_ids: Annotated[list[str], Meta(max_length=1000)] | None = None
