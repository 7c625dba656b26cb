"""Which cell answers a request, and which changes wait until all cells have copied them."""

from pathlib import Path
from typing import Any

import pytest

from pileus.api.cell_marks import FROM_OTHER_CELL, CellMarks
from pileus.api.cell_routes import CHANGES_TENANT, DELETED_ELSEWHERE, check_request_is_here, find_cells
from pileus.domain.cells import Cells
from pileus.domain.errors import InOtherCell, Unavailable
from pileus.domain.ids import make_random_id
from pileus.store.secrets import SecretBox

ADDRESSES = {number: f"http://cell-{number}" for number in range(3)}
REGION_CELLS = {1: 0, 2: 1, 3: 2}
ID = make_random_id(b"0123456789abcdef", 2)
PROJECT = "/cloud/v1/projects/7"
STRANGE_ID = make_random_id(b"0123456789abcdef", 900)


def cells_of(own: int) -> Cells:
    """Return the cells as a server of one of them sees them."""
    return Cells(own=own, addresses=ADDRESSES, region_cells=REGION_CELLS)


def a_scope(method: str, path: str, **values: Any) -> dict[str, Any]:
    return {"method": method, "path": path, "raw_path": path.encode(), "headers": [], "caller": "someone", **values}


@pytest.fixture
def marks(tmp_path: Path) -> CellMarks:
    """The marks of a cloud whose servers share keys, at a time that stands still."""
    secrets = SecretBox(tmp_path / "keys")
    secrets.create_file()
    return CellMarks(secrets, lambda: 1000.0)


@pytest.mark.parametrize(
    ("method", "path", "params", "answering"),
    [
        ("PATCH", f"/cloud/v1/instances/1/3/{ID}", {"region_id": 3, "instance_id": ID}, (2,)),
        ("GET", "/cloud/v1/instances/1/9", {"region_id": 9}, (1,)),
        ("GET", f"/cloud/v1/tasks/{ID}", {"task_id": ID}, (2,)),
        ("GET", f"/cloud/v1/tasks/{STRANGE_ID}", {"task_id": STRANGE_ID}, (0,)),
        ("GET", "/cloud/v1/tasks/none", {"task_id": "none"}, (1,)),
        ("PUT", f"/_pileus/machines/{ID}", {"instance_id": ID}, (2,)),
        ("PUT", "/_pileus/quotas/3", {"region_id": 3}, (0,)),
        ("GET", "/cloud/v1/keypairs/1/3", {"project_id": 1, "region_id": 3}, (0,)),
        ("GET", "/cloud/v1/regions/3", {"region_id": 3}, (1,)),
        ("GET", "/cloud/v1/tasks", {}, (0, 1, 2)),
        ("POST", "/cloud/v1/tasks/acknowledge_all", {}, (0, 1, 2)),
        ("GET", "/cloud/v1/projects/7", {"project_id": 7}, (0,)),
        ("DELETE", "/cloud/v1/projects/7", {"project_id": 7}, (1, 2, 0)),
        ("POST", "/iam/auth/jwt/login", {}, (0,)),
        ("GET", "/ui/files/main.js", {}, (1,)),
    ],
)
def test_the_place_of_a_request_chooses_its_cell(
    method: str, path: str, params: dict[str, Any], answering: tuple[int, ...]
) -> None:
    assert find_cells(cells_of(1), method, path, params) == answering


@pytest.mark.parametrize(
    ("method", "path", "params", "waits"),
    [
        ("POST", "/cloud/v1/projects", {}, True),
        ("PUT", "/_pileus/quotas/1", {"region_id": 1}, True),
        ("POST", "/cloud/v1/ssh_keys/1", {"project_id": 1}, True),
        ("POST", "/cloud/v1/keypairs/1/3", {"project_id": 1, "region_id": 3}, True),
        ("GET", "/cloud/v1/projects", {}, False),
        ("PATCH", "/cloud/v1/instances/1/1/x", {"region_id": 1, "instance_id": "x"}, False),
        ("POST", "/_pileus/faults", {}, False),
    ],
)
def test_only_changes_of_tenants_wait_for_the_copies(
    marks: CellMarks, method: str, path: str, params: dict[str, Any], *, waits: bool
) -> None:
    scope = a_scope(method, path)
    check_request_is_here(cells_of(0), marks, scope, params)
    assert (CHANGES_TENANT in scope) == waits


def test_a_login_does_not_wait(marks: CellMarks) -> None:
    scope = a_scope("POST", "/iam/auth/jwt/login")
    del scope["caller"]
    check_request_is_here(cells_of(0), marks, scope, {})
    assert CHANGES_TENANT not in scope


def test_cell_0_deletes_a_project_after_the_others_whoever_asks(marks: CellMarks) -> None:
    path, params = "/cloud/v1/projects/7", {"project_id": 7}
    header = [marks.make("DELETE", path.encode())]
    for headers in ([], header):
        with pytest.raises(InOtherCell) as elsewhere:
            check_request_is_here(cells_of(0), marks, a_scope("DELETE", path, headers=headers), params)
        assert elsewhere.value.cells == (1, 2, 0)
    check_request_is_here(cells_of(0), marks, a_scope("DELETE", path, **{DELETED_ELSEWHERE: True}), params)

    with pytest.raises(InOtherCell) as elsewhere:
        check_request_is_here(cells_of(1), marks, a_scope("DELETE", path), params)
    assert elsewhere.value.cells == (0,)
    check_request_is_here(cells_of(1), marks, a_scope("DELETE", path, headers=header), params)


@pytest.mark.parametrize(
    ("method", "path", "sent_at"),
    [("GET", "/cloud/v1/projects/7", 1000), ("DELETE", "/cloud/v1/projects/8", 1000), ("DELETE", PROJECT, 900)],
)
def test_a_mark_holds_for_one_request_and_a_minute(
    tmp_path: Path, marks: CellMarks, method: str, path: str, sent_at: int
) -> None:
    mark = CellMarks(SecretBox(tmp_path / "keys"), lambda: sent_at).make(method, path.encode())

    with pytest.raises(Unavailable, match="mark"):
        check_request_is_here(cells_of(1), marks, a_scope("DELETE", PROJECT, headers=[mark]), {"project_id": 7})


@pytest.mark.parametrize("mark", ["1", "", "1000", "1000.", "\xb2.0", "9" * 5000, "1000.\xe4", f"1000.{'0' * 64}"])
def test_what_is_no_mark_of_a_cell_is_refused_and_not_sent_on(marks: CellMarks, mark: str) -> None:
    scope = a_scope("DELETE", PROJECT, headers=[(FROM_OTHER_CELL, mark.encode("latin-1"))])
    with pytest.raises(Unavailable, match="mark"):
        check_request_is_here(cells_of(1), marks, scope, {"project_id": 7})


def test_a_mark_by_an_older_key_holds(tmp_path: Path, marks: CellMarks) -> None:
    mark = marks.make("DELETE", PROJECT.encode())
    SecretBox(tmp_path / "keys").add_key()
    check_request_is_here(cells_of(1), marks, a_scope("DELETE", PROJECT, headers=[mark]), {"project_id": 7})
