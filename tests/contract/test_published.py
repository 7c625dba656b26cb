"""Every published operation is served or in a list that only shrinks, and wrong answers are detected."""

import json
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler

from pileus.api.operations import OperationIndex
from pileus.api.published_inputs import UNREAD_PUBLISHED_FIELDS
from pileus.api.unread_inputs import find_unread_fields, list_query_parameters
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


def test_the_published_fields_that_nothing_reads_are_known() -> None:
    operations = {(item.method, shape(item.template)): item for item in OperationIndex(make_app(Settings())).public}
    unread: dict[str, set[str]] = {}
    for contract in PUBLISHED:
        served = [(key, operations.get((key[0], shape(key[1])))) for key in contract.operations()]
        for (method, path), operation in served:
            if operation and (fields := list_unread_fields(contract.body_fields(method, path), operation.handler)):
                unread.setdefault(operation.operation_id, set()).update(fields)

    assert unread == UNREAD_PUBLISHED_FIELDS


def test_every_published_query_parameter_is_read() -> None:
    operations = {(item.method, shape(item.template)): item for item in OperationIndex(make_app(Settings())).public}

    unread = {
        (operation.operation_id, name)
        for contract in PUBLISHED
        for method, path in contract.operations()
        if (operation := operations.get((method, shape(path))))
        for name in contract.query_parameters(method, path) - set(list_query_parameters(operation.handler))
    }

    assert unread == set()


def list_unread_fields(fields: set[tuple[str, ...]], handler: HTTPRouteHandler) -> list[str]:
    """Return the fields of a body that a handler does not read, by their paths; an item of a list is `*`."""
    return [
        ".".join(field)
        for field in fields
        if tuple("0" if part == "*" else part for part in field)
        in [item.path for item in find_unread_fields(nested_body(field), handler)]
    ]


def nested_body(field: tuple[str, ...]) -> Any:
    """Return a body that has only the field at a path, in which `*` is an item of a list."""
    value: Any = None
    for part in reversed(field):
        value = [value] if part == "*" else {part: value}
    return value


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
