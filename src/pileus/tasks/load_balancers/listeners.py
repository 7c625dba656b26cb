"""Operations on listeners: all change parts of a load balancer."""

from pileus.domain.load_balancers.task_types import CREATE_LISTENER, DELETE_LISTENER, UPDATE_LISTENER
from pileus.tasks.load_balancers.changes import change_operation

OPERATIONS = tuple(change_operation(task_type) for task_type in (CREATE_LISTENER, UPDATE_LISTENER, DELETE_LISTENER))
