"""`pileus api`: requests to the API as the other commands send them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pileus.cli.main import pileus
from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run


@pytest.fixture
def api(run: Run, server: TemporaryServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `pileus api` against the server."""
    monkeypatch.setenv("GCORE_BASE_URL", server.url)
    monkeypatch.setenv("GCORE_API_KEY", server.key)

    def invoke(*arguments: str) -> Result:
        return run("api", *arguments)

    return invoke


def test_project_and_region_are_filled_in(api: Run) -> None:
    answered = api("GET", "/cloud/v1/flavors/{project_id}/{region_id}")

    assert answered.exit_code == 0
    assert json.loads(answered.stdout)["count"] > 0
    assert api("/cloud/v1/regions/{region_id}").stdout.startswith('{"id":1,')


def test_fields_are_the_body_or_the_query(api: Run) -> None:
    created = json.loads(api("/cloud/v1/projects", "-f", "name=by-fields").stdout)
    listed = json.loads(api("GET", "/cloud/v1/projects", "-f", "name=by-fields", "-F", "limit=1").stdout)
    api("DELETE", f"/cloud/v1/projects/{created['id']}")

    assert [project["id"] for project in listed["results"]] == [created["id"]]


def test_fields_may_be_nested_and_typed(api: Run) -> None:
    fields = ("-f", "name=deep", "-F", "size=1", "-f", "source=new-volume", "-f", "tags[env]=prod")
    schedule = ("-f", "name=daily", "-f", "action=volume_snapshot", "-F", "schedules[][days]=1")

    task = json.loads(api("/cloud/v1/volumes/{project_id}/{region_id}", *fields).stdout)
    policy = json.loads(
        api("/cloud/v1/lifecycle_policy/{project_id}/{region_id}", *schedule, "--context", "").stdout or "{}"
    )

    assert len(task["tasks"]) == 1
    assert "type" in json.dumps(policy)


def test_input_is_sent_unchanged(api: Run, server: TemporaryServer, tmp_path: Path) -> None:
    body = tmp_path / "project.json"
    body.write_text('{"name": "from-file"}')
    environment = {"GCORE_BASE_URL": server.url, "GCORE_API_KEY": server.key}
    words = ["api", "POST", "/cloud/v1/projects", "--input", "-"]

    from_file = json.loads(api("POST", "/cloud/v1/projects", "--input", str(body)).stdout)
    from_stdin = CliRunner(env=environment).invoke(pileus, words, input='{"name": "from-stdin"}')

    assert (from_file["name"], json.loads(from_stdin.stdout)["name"]) == ("from-file", "from-stdin")


def test_pages_are_joined(api: Run) -> None:
    listed = json.loads(api("--paginate", "GET", "/cloud/v1/flavors/{project_id}/{region_id}", "-F", "limit=3").stdout)
    names = json.loads(api("GET", "/cloud/v1/flavors/{project_id}/{region_id}").stdout)

    assert [flavor["flavor_id"] for flavor in listed] == [flavor["flavor_id"] for flavor in names["results"]]


def test_headers_are_sent_and_shown(api: Run) -> None:
    answered = api("GET", "/cloud/v1/projects", "-i", "-H", "X-Request-ID: from-a-test")

    head, _, body = answered.stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK\n")
    assert "content-type: application/json" in head
    assert json.loads(body)["results"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("GET", "/cloud/v1/projects/987654"), 4, "404 Not Found: Project 987654 could not be found"),
        (("POST", "/cloud/v1/projects", "-f", "name=x"), 4, "400 Bad Request: name: String should match pattern"),
        (("GET", "/cloud/v1/projects", "--key", "1_no-such-key"), 4, "401 Unauthorized: the key is not accepted"),
        (("GET", "cloud/v1/projects"), 2, "cloud/v1/projects is not a path"),
        (("GET", "https://api.example.org/cloud"), 2, "is not a path"),
        (("GET", "//api.example.org/cloud"), 2, "is not a path"),
        (("TAKE", "/cloud/v1/projects"), 2, "give one of GET, POST"),
        (("/cloud/v1/projects", "-f", "name"), 2, "'name' is not KEY=VALUE"),
        (("/cloud/v1/projects", "-f", "a=1", "-f", "a[b]=2"), 2, "a field cannot be"),
        (("/cloud/v1/projects", "--input", "/no/such/file"), 1, "/no/such/file cannot be read"),
        (("/cloud/v1/projects", "-H", "nothing"), 2, "'nothing' is not a header"),
        (("--paginate", "GET", "/cloud/v1/regions/1"), 1, "does not answer with a list"),
    ],
)
def test_the_exit_code_follows_the_status(api: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    refused = api(*arguments)

    assert (refused.exit_code, refused.stderr.count("\n")) == (code, 1)
    assert message in refused.stderr
    assert refused.stderr.startswith("pileus: ")
