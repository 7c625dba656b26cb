"""The control endpoint of a simulated cloud: inject faults, limit capacity, change the state of machines.

It exists only with a simulated driver and is not part of the public API. An administrator changes what its own tenant
experiences, an operator what any tenant does.
"""

from litestar import Router

from pileus.api.routes.simulation import blackholes, capacities, machines, task_faults

ROUTER = Router(
    "/_pileus",
    route_handlers=[*task_faults.ROUTES, *capacities.ROUTES, *machines.ROUTES, *blackholes.ROUTES],
    tags=["Simulation"],
)
