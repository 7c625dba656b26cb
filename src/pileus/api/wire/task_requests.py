"""Request bodies for tasks."""

from typing import Annotated

from msgspec import Meta, Struct

from pileus.domain.limits import IDS


class AcknowledgeTasks(Struct, kw_only=True):
    """The tasks to acknowledge: all of them if null or absent."""

    task_ids: Annotated[list[str], Meta(max_length=IDS.value)] | None = None
