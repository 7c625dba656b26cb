"""The operations of the API, found by id, method and path."""

import pytest

from pileus.api.operations import OperationIndex, can_match, operation_id_of
from pileus.app import make_app
from pileus.settings import Settings
from tests.api.foreign_ids import missing_ids
from tests.api.routes import ENDPOINTS, Endpoint
from tests.contract.documents import own_document

INDEX = OperationIndex(make_app(Settings()))
PUBLIC = [
    endpoint
    for endpoint in ENDPOINTS
    if not endpoint.path.startswith("/_pileus/") and endpoint.handler.resolve_include_in_schema()
]


def test_operations_have_the_ids_of_the_api_reference() -> None:
    documented = own_document()["paths"]

    assert INDEX.ids == {
        operation["operationId"] for operations in documented.values() for operation in operations.values()
    }
    assert {"list_instance_metadata", "list_volume_metadata"} <= INDEX.public_ids


@pytest.mark.parametrize("endpoint", PUBLIC, ids=str)
def test_a_request_finds_its_operation(endpoint: Endpoint) -> None:
    path = endpoint.filled(missing_ids())
    operation = INDEX.find_public(endpoint.method, path)

    assert operation is not None
    assert (operation.operation_id, operation.template) == (operation_id_of(endpoint.handler), endpoint.path)
    assert INDEX.find_public(endpoint.method, f"/{path}/") is operation


@pytest.mark.parametrize("path", ["/_pileus/http_faults", "/healthz", "/metrics", "/schema", "/", "", "/cloud/v1/k8s"])
def test_what_belongs_to_the_server_itself_or_is_not_offered_is_no_operation(path: str) -> None:
    assert INDEX.find_public("GET", path) is None


def test_head_is_the_operation_of_get() -> None:
    assert INDEX.find_public("HEAD", "/cloud/v1/projects") == INDEX.find_public("GET", "/cloud/v1/projects") is not None


def test_operations_are_selected_by_id_method_and_path() -> None:
    created = {operation.operation_id for operation in INDEX.select("create_*", None, None)}
    by_path = INDEX.select(None, "GET", "/cloud/v1/ssh_keys/{project_id}/*")

    assert {"create_instance", "create_volume"} <= created
    assert all(name.startswith("create_") for name in created)
    assert [operation.operation_id for operation in by_path] == ["get_ssh_key"]
    assert INDEX.select("get_ssh_key", "POST", None) == frozenset()


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/cloud/v1/tasks/*", "/cloud/v1/tasks/7"),
        ("/cloud/v1/tasks/{task_id}", "/cloud/v1/tasks/7/"),
        ("cloud//v1/tasks/7", "/cloud/v1/tasks/7"),
        ("/cloud/**", "/cloud/v1/tasks/7"),
        ("/cloud/v1/tasks/7/**", "/cloud/v1/tasks/7"),
        ("/cloud/v*/tasks/7", "/cloud/v1/tasks/7"),
        ("/cloud/v1/tasks/7", "/cloud/v1/tasks/{task_id}"),
        ("**", "/anything"),
    ],
)
def test_a_pattern_matches_a_path(pattern: str, path: str) -> None:
    assert can_match(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/cloud/v1/tasks/*", "/cloud/v1/tasks"),
        ("/cloud/v1/tasks/*", "/cloud/v1/tasks/7/x"),
        ("/cloud/v1/tasks/8", "/cloud/v1/tasks/7"),
        ("/cloud/v1/tasks/7/**", "/cloud/v1/tasks"),
        ("/", "/cloud"),
    ],
)
def test_a_pattern_does_not_match_another_path(pattern: str, path: str) -> None:
    assert not can_match(pattern, path)


def test_the_project_is_read_from_the_path() -> None:
    operation = INDEX.find_public("GET", "/cloud/v1/ssh_keys/12")

    assert operation is not None
    assert operation.project_id_in("/cloud/v1/ssh_keys/12/") == 12
    assert operation.project_id_in("/cloud/v1/ssh_keys/x") is None
