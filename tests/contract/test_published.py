"""Every published operation is served or in a list that only shrinks, and wrong answers are detected."""

import json

import pytest

from pileus.app import make_app
from pileus.settings import Settings
from tests.contract.documents import PUBLISHED, check_answer, list_unserved, shape

pytestmark = pytest.mark.skipif(not PUBLISHED, reason="the published contract is not here")

PROJECTS = "/cloud/v1/projects"


def served() -> set[tuple[str, str]]:
    handlers = [
        (route, handler) for route in make_app(Settings()).routes for handler in getattr(route, "route_handlers", ())
    ]
    return {
        (method, shape(route.path_format))
        for route, handler in handlers
        if handler.opt.get("offered", True)
        for method in getattr(handler, "http_methods", ())
    }


def published() -> set[tuple[str, str]]:
    return {(method, shape(path)) for contract in PUBLISHED for method, path in contract.operations()}


def test_every_published_operation_is_served_or_listed_as_not_served() -> None:
    assert published() - served() - list_unserved() == set()


def test_the_list_of_operations_not_served_holds_no_served_one() -> None:
    assert list_unserved() & served() == set()


def test_the_list_of_operations_not_served_holds_published_ones_only() -> None:
    assert list_unserved() - published() == set()


def test_a_right_answer_passes() -> None:
    assert check_answer("GET", f"{PROJECTS}?limit=1", 200, b'{"count": 0, "results": []}')
    assert check_answer("DELETE", f"{PROJECTS}/1", 200, b'{"tasks": []}')
    assert check_answer("POST", "/cloud/v1/tasks/acknowledge_all", 204, b"")


def test_an_answer_of_an_unknown_path_is_not_validated() -> None:
    assert not check_answer("GET", "/healthz", 200, b"anything")


@pytest.mark.parametrize("status", [400, 401, 404, 409, 500])
def test_a_refusal_has_the_shape_of_all_refusals(status: int) -> None:
    refusal = {"exception_class": "ConflictError", "message": "Not now", "request_id": "0" * 32}

    assert check_answer("GET", PROJECTS, status, json.dumps(refusal).encode())
    with pytest.raises(AssertionError):
        check_answer("GET", PROJECTS, status, b'{"detail": "Not now"}')


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", PROJECTS, 200, b'{"results": []}'),
        ("GET", PROJECTS, 200, b'{"count": 1, "results": [{"id": "one"}]}'),
        ("GET", PROJECTS, 202, b'{"count": 0, "results": []}'),
        ("POST", "/cloud/v1/tasks/acknowledge_all", 204, b"{}"),
    ],
)
def test_a_wrong_answer_is_caught(method: str, path: str, status: int, body: bytes) -> None:
    with pytest.raises(AssertionError):
        check_answer(method, path, status, body)
