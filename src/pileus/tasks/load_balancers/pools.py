"""Operations on pools, members, health monitors, L7 policies and L7 rules: all change parts of a load balancer."""

from pileus.domain.load_balancers import task_types
from pileus.tasks.load_balancers.changes import change_operation

OPERATIONS = tuple(
    change_operation(task_type)
    for task_type in (
        task_types.CREATE_POOL,
        task_types.UPDATE_POOL,
        task_types.DELETE_POOL,
        task_types.CREATE_MEMBER,
        task_types.UPDATE_MEMBER,
        task_types.DELETE_MEMBER,
        task_types.CREATE_HEALTH_MONITOR,
        task_types.UPDATE_HEALTH_MONITOR,
        task_types.DELETE_HEALTH_MONITOR,
        task_types.CREATE_L7_POLICY,
        task_types.UPDATE_L7_POLICY,
        task_types.DELETE_L7_POLICY,
        task_types.CREATE_L7_RULE,
        task_types.REPLACE_L7_RULE,
        task_types.DELETE_L7_RULE,
    )
)
