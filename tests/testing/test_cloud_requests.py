"""The requests that tests of other packages look at."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pileus.testing
from pileus.testing.clouds import Cloud


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A cloud in this process."""
    with pileus.testing.cloud(instance_cache_checked=True) as running:
        yield running


def test_requests_are_those_of_one_project_since_the_beginning(cloud: Cloud) -> None:
    project, other = cloud.create_project(), cloud.create_project()
    with project.make_client() as client, other.make_client() as other_client:
        client.cloud.projects.list()
        cloud.requests.begin(project.tenant_id)
        other_client.cloud.regions.list()
        client.cloud.ssh_keys.create(name="a-key")

    request = cloud.requests.last
    assert len(cloud.requests) == 1
    assert [recorded.id for recorded in cloud.requests] == [request.id]
    assert (request.operation, request.status, request.body) == ("create_ssh_key", 201, {"name": "a-key"})
    assert request.response["private_key"] == "(hidden)"
    assert cloud.requests.of("create_ssh_key") == [request]
    assert str(request) == f"POST /cloud/v1/ssh_keys/{project.project_id} (create_ssh_key): 201"


def test_assertions_name_what_was_called(cloud: Cloud) -> None:
    project = cloud.create_project()
    cloud.requests.begin(project.tenant_id)
    with pytest.raises(
        AssertionError, match=r"list_projects was called never, not at least once. No request was sent."
    ):
        cloud.requests.assert_called("list_projects")
    with project.make_client() as client:
        client.cloud.projects.list(extra_query={"nmae": "x"})

    assert cloud.requests.assert_called("list_projects", times=1).unread == ("?nmae",)
    with pytest.raises(AssertionError, match=r"was called once, not 2 times(.|\n)*GET /cloud/v1/projects\?nmae=x"):
        cloud.requests.assert_called("list_projects", times=2)
    with pytest.raises(AssertionError, match="was called once"):
        cloud.requests.assert_not_called("list_projects")
    with pytest.raises(AssertionError, match=r"nothing reads:\n  GET .*unread: \?nmae"):
        cloud.requests.assert_all_read()
    cloud.requests.assert_not_called("list_regions")


def test_an_operation_that_does_not_exist_is_an_error(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match="did you mean update_instance"):
        cloud.requests.assert_not_called("update_instances")


def test_a_strict_test_fails_although_its_code_hides_the_error(tmp_path: Path) -> None:
    (tmp_path / "test_strict.py").write_text(
        """
import httpx, pytest

@pytest.mark.pileus(strict=True)
def test_one_sends_nonsense(pileus_project):
    key = {"Authorization": f"APIKey {pileus_project.api_key}"}
    assert httpx.get(f"{pileus_project.base_url}/cloud/v1/projects?nonsense=1", headers=key).status_code == 400

@pytest.mark.pileus(strict=True)
def test_the_next_does_not(pileus, pileus_client):
    pileus_client.cloud.projects.list()
    assert len(pileus.requests) == 1
"""
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-n", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)

    assert "2 passed, 1 error" in done.stdout
    assert "unread: ?nonsense" in done.stdout
