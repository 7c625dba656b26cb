"""Every operation, by its task type."""

from collections.abc import Mapping

from pileus.tasks.create_instance import CREATE_INSTANCE
from pileus.tasks.delete_instance import DELETE_INSTANCE
from pileus.tasks.delete_project import DELETE_PROJECT
from pileus.tasks.move_instance import MOVE_INSTANCE
from pileus.tasks.operation import Operation
from pileus.tasks.protect_address import PROTECT_ADDRESS
from pileus.tasks.put_into_placement_group import PUT_INTO_PLACEMENT_GROUP
from pileus.tasks.remove_from_placement_group import REMOVE_FROM_PLACEMENT_GROUP
from pileus.tasks.resize_instance import RESIZE_INSTANCE

EVERY: tuple[Operation, ...] = (
    *CREATE_INSTANCE,
    *DELETE_INSTANCE,
    *MOVE_INSTANCE,
    *PROTECT_ADDRESS,
    RESIZE_INSTANCE,
    PUT_INTO_PLACEMENT_GROUP,
    REMOVE_FROM_PLACEMENT_GROUP,
    DELETE_PROJECT,
)
OPERATIONS: Mapping[str, Operation] = {operation.task_type: operation for operation in EVERY}
