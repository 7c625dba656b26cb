"""The control endpoint of a simulated cloud: inject faults, limit capacity, change the state of machines.

It is not part of the public API. The routes of ROUTES exist only if a region is simulated, and change only such
regions: an administrator changes what its own tenant experiences, an operator what any tenant does. Those of
CONTROL_ROUTES reach all tenants and are for operators: they always exist, and answer 403 with the reason where the
cloud may not be controlled, as where a region is not simulated.
"""

from pileus.api.routes.simulation import (
    blackholes,
    capacities,
    clocks,
    http_faults,
    machines,
    members,
    request_logs,
    resets,
    states,
    task_faults,
)

ROUTES = [
    *task_faults.ROUTES,
    *capacities.ROUTES,
    *machines.ROUTES,
    *members.ROUTES,
    *blackholes.ROUTES,
]
CONTROL_ROUTES = [*http_faults.ROUTES, *clocks.ROUTES, *request_logs.ROUTES, *resets.ROUTES, *states.ROUTES]
