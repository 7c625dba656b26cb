"""Which cell answers a request: the database is chosen by the place, here and nowhere else.

A request about a region belongs to the cell of the region, one about a task to the cell that its id names, and one
about a tenant to cell 0. Lists of all regions are put together from those of all cells.
"""

import re
from collections.abc import Mapping
from typing import Any

from pileus.api.cell_marks import CellMarks
from pileus.api.requests import READING
from pileus.domain.cells import TENANTS_CELL, Cells
from pileus.domain.errors import InOtherCell, NotOffered, Unavailable

CHANGES_TENANT = "changes_tenant"
"""The key of the scope of a request that may change what other cells copy."""
DELETED_ELSEWHERE = "deleted_elsewhere"
"""The key of the scope of the deletion of a project that the other cells have done."""
HERE = ("/_pileus/", "/ui", "/cloud/v1/regions", "/cloud/public/", "/metrics")
"""The beginnings of paths that each server answers itself: its pages, its catalogue, its simulation, its state."""
OF_TENANTS = ("/_pileus/tenants", "/_pileus/limit_requests", "/_pileus/quotas", "/ui/session", "/cloud/v1/keypairs/")
"""The beginnings of paths that are about a tenant, even those that name a region."""
MERGED = frozenset({"/cloud/v1/tasks", "/cloud/v1/user_actions"})
"""Lists whose pages are put together from those of all cells."""
EVERYWHERE = frozenset({"/cloud/v1/tasks/acknowledge", "/cloud/v1/tasks/acknowledge_all"})
"""What all cells do."""
PROJECTS = "/cloud/v1/projects/"
TENANT = re.compile(r"/_pileus/tenants/[0-9]+")
BY_REGION = "A cloud of several cells does not offer this for all regions together"
NOT_OFFERED = {
    "/cloud/v2/client_quotas": f"{BY_REGION}: read the quotas of each region",
    "/cloud/v1/instances/search": f"{BY_REGION}: list the instances of each region",
    "/cloud/v1/usage_report": BY_REGION,
    "/cloud/v1/cost_report/totals": BY_REGION,
    "/cloud/v1/cost_report/resources": BY_REGION,
    "/cloud/v1/reservation_cost_report/totals": BY_REGION,
}
ID_PARAMETERS = ("task_id", "instance_id", "member_id")


def check_request_is_here(cells: Cells, marks: CellMarks, scope: Any, params: Mapping[str, Any]) -> None:
    """Check that this server answers the request. Raises InOtherCell, NotOffered or Unavailable."""
    method, path = scope["method"], scope["path"].rstrip("/")
    if cells.own == TENANTS_CELL and "caller" in scope and method not in READING and _is_about_tenants(path, params):
        scope[CHANGES_TENANT] = True
    answering = find_cells(cells, method, path, params)
    if answering == (cells.own,):
        return
    is_from_cell = marks.is_from_cell(scope)
    if method == "DELETE" and len(answering) > 1:
        _check_deletion_is_here(cells, scope, answering, is_from_cell=is_from_cell)
    elif not is_from_cell:
        raise InOtherCell(answering)
    elif cells.own not in answering:
        raise Unavailable("The servers of this cloud have different cells in their catalogues: try again later")


def _check_deletion_is_here(cells: Cells, scope: Any, answering: tuple[int, ...], *, is_from_cell: bool) -> None:
    """Check that this server deletes its part of a project. Raises InOtherCell.

    Cell 0 asks the others first, whoever has sent the request: nothing may be left in a cell.
    """
    if cells.own == TENANTS_CELL and not scope.get(DELETED_ELSEWHERE):
        raise InOtherCell(answering)
    if cells.own != TENANTS_CELL and not is_from_cell:
        raise InOtherCell((TENANTS_CELL,))


def find_cells(cells: Cells, method: str, path: str, params: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the cells that answer a request, in their order. Raises NotOffered."""
    if path in NOT_OFFERED:
        raise NotOffered(NOT_OFFERED[path])
    if method == "DELETE" and TENANT.fullmatch(path):
        raise NotOffered("A tenant of several cells cannot be deleted: suspend it")
    if (path in MERGED and method in READING) or path in EVERYWHERE:
        return cells.numbers
    if method == "DELETE" and path.startswith(PROJECTS):
        return (*(number for number in cells.numbers if number != TENANTS_CELL), TENANTS_CELL)
    return (_find_cell(cells, path, params),)


def _is_about_tenants(path: str, params: Mapping[str, Any]) -> bool:
    """Return whether a request that cell 0 answers is about a tenant, and not about a region or a task."""
    return path.startswith(OF_TENANTS) or not (path.startswith(HERE) or params.keys() & {"region_id", *ID_PARAMETERS})


def _find_cell(cells: Cells, path: str, params: Mapping[str, Any]) -> int:
    if path.startswith(OF_TENANTS):
        return TENANTS_CELL
    if path.startswith("/cloud/v1/regions"):
        return cells.own
    if "region_id" in params:
        return cells.cell_of_region(params["region_id"])
    for name in ID_PARAMETERS:
        if name in params:
            return cells.cell_of_id(params[name])
    return cells.own if path.startswith(HERE) else TENANTS_CELL
