"""Every operation, by its task type."""

from collections.abc import Mapping

from pileus.tasks.move_instance import MOVE_INSTANCE
from pileus.tasks.operation import Operation

OPERATIONS: Mapping[str, Operation] = {operation.task_type: operation for operation in (*MOVE_INSTANCE,)}
