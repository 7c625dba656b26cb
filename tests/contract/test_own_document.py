"""All answers are validated against the program's own OpenAPI document."""

import pytest

from tests.contract.documents import own_contract


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/cloud/v1/projects", 200, b'{"results": []}'),
        ("GET", "/cloud/v1/projects", 200, b'{"count": 0, "results": [], "unknown": 1}'),
        ("GET", "/cloud/v1/projects", 202, b'{"count": 0, "results": []}'),
        ("GET", "/cloud/v1/projects", 404, b'{"detail": "no"}'),
        ("POST", "/cloud/v1/tasks/acknowledge_all", 204, b"{}"),
    ],
)
def test_an_answer_that_the_document_does_not_describe_fails(method: str, path: str, status: int, body: bytes) -> None:
    with pytest.raises(AssertionError):
        own_contract().check_answer(method, path, status, body)


def test_an_answer_that_the_document_describes_passes() -> None:
    assert own_contract().check_answer("GET", "/cloud/v1/projects?limit=1", 200, b'{"count": 0, "results": []}')
    assert own_contract().check_answer("POST", "/cloud/v1/tasks/acknowledge_all", 204, b"")


def test_an_operation_that_the_document_does_not_have_is_not_checked() -> None:
    assert not own_contract().check_answer("GET", "/cloud/v9/nothing", 200, b"anything")
