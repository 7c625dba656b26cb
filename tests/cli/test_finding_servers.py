"""Commands that use a database find the running server, and never create a cloud."""

import io
import json
from pathlib import Path

import pytest

from pileus.running_servers import list_running_servers, register_server
from pileus.server.announcement import print_connection_help
from pileus.settings import Settings
from tests.cli.conftest import Run
from tests.databases import database_url
from tests.servers import run_server

COMMANDS = [
    ["keys", "list"],
    ["keys", "create", "pipeline"],
    ["operators", "list"],
    ["users", "list"],
    ["users", "create", "ann@example.com", "--generate"],
    ["secrets", "rotate"],
]


@pytest.fixture(autouse=True)
def no_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server runs, and the user's own data directory is empty."""
    for name in ("XDG_RUNTIME_DIR", "XDG_DATA_HOME"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_creates_a_cloud(run: Run, tmp_path: Path, command: list[str]) -> None:
    in_default = run(*command)
    elsewhere = run(*command, "--data", str(tmp_path / "mistyped"))

    assert (in_default.exit_code, elsewhere.exit_code) == (1, 1)
    assert elsewhere.stderr.startswith(f"pileus: There is no cloud in {tmp_path / 'mistyped'}. Start one with")
    assert not (tmp_path / "mistyped").exists()
    assert list((tmp_path / "XDG_DATA_HOME").iterdir()) == []


def test_no_command_uses_an_empty_postgres_database(run: Run, tmp_path: Path) -> None:
    with database_url("postgres") as url:
        refused = run("keys", "list", "--database", url)

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("pileus: The database is empty. Start a server on it")
    assert list((tmp_path / "XDG_DATA_HOME").iterdir()) == []


def test_an_unreachable_database_is_one_line(run: Run) -> None:
    refused = run("keys", "list", "--database", "postgresql://pileus@127.0.0.1:1/none")

    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.endswith("start PostgreSQL, or check --database\n")


def test_commands_find_the_running_server(run: Run, tmp_path: Path) -> None:
    with run_server(tmp_path / "here", PILEUS_API_KEY="") as server:
        created = run("keys", "create", "found")
        listed = json.loads(run("keys", "list", "-o", "json").stdout)
        variables = json.loads(run("env", "--format", "json", "--api-key", "1_12345678").stdout)
        variables_of_server = json.loads(run("env", "--format", "json").stdout)
        console = run("console", "--data", str(tmp_path / "here")).stdout
    after = run("keys", "list")

    assert console.startswith(f"{server.url}/#ticket=")
    assert created.exit_code == 0, created.stderr
    assert "found" in [key["name"] for key in listed]
    assert variables["GCORE_API_KEY"] == "1_12345678"
    assert variables_of_server["GCORE_BASE_URL"] == server.url
    assert after.exit_code == 1
    assert list_running_servers() == []


@pytest.mark.parametrize("place_of_server", ["here", "elsewhere/../here", "link"])
@pytest.mark.parametrize("place", ["{0}/here", "{0}/elsewhere/../here", "{0}/link", "here", "../{1}/here/."])
def test_a_data_directory_has_several_names(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place_of_server: str, place: str
) -> None:
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("here")
    (tmp_path / "here" / "admin.key").write_text("1_12345678")
    monkeypatch.chdir(tmp_path)

    with register_server(Settings(data=tmp_path / place_of_server, port=9000)):
        printed = run("env", "--data", place.format(tmp_path, tmp_path.name), "--format", "json")

    assert json.loads(printed.stdout)["GCORE_BASE_URL"] == "http://127.0.0.1:9000"
    assert printed.stderr == ""


def test_an_address_that_nothing_says_is_called_a_default(run: Run, cloud_data: Path) -> None:
    console = run("console", "--data", str(cloud_data))
    with_address = run("console", "--data", str(cloud_data), "--port", "9000")

    assert console.stdout.startswith("http://127.0.0.1:8080/#ticket=")
    assert f"on {cloud_data}: http://127.0.0.1:8080 is only the default address" in console.stderr
    assert with_address.stdout.startswith("http://127.0.0.1:9000/#ticket=")
    assert with_address.stderr == ""


def test_several_servers_are_listed(run: Run, tmp_path: Path) -> None:
    with run_server(tmp_path / "first"), run_server(tmp_path / "second"):
        refused = run("keys", "list")

    assert refused.exit_code == 1
    assert str(tmp_path / "first") in refused.stderr
    assert str(tmp_path / "second") in refused.stderr


def test_a_killed_server_is_not_found(run: Run, tmp_path: Path) -> None:
    with run_server(tmp_path / "killed") as server:
        server.process.kill()
        server.process.wait()

        refused = run("keys", "list")

    assert refused.exit_code == 1
    assert list((tmp_path / "XDG_RUNTIME_DIR" / "pileus").iterdir()) == []


def test_a_directory_that_others_can_write_to_is_not_trusted(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "XDG_RUNTIME_DIR" / "pileus"
    with run_server(tmp_path / "here"):
        folder.chmod(0o777)

        assert run("keys", "list").exit_code == 1


def test_the_new_key_is_shown_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)

    print_connection_help(Settings(data=tmp_path), "1_the-new-key")

    assert "export GCORE_API_KEY=1_the-new-key\n" in terminal.getvalue()


class Terminal(io.StringIO):
    """Collects what is printed."""

    def isatty(self) -> bool:
        """Return that this is a terminal."""
        return True


@pytest.mark.parametrize(
    ("variables", "database_option"),
    [
        ({}, "--database 'postgresql://pileus:(hidden)@db/cloud'"),
        ({"PILEUS_DATABASE": "postgresql://pileus:a-secret@db/cloud"}, '--database "$PILEUS_DATABASE"'),
    ],
)
def test_the_printed_command_names_the_database_without_its_password(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, str],
    database_option: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    print_connection_help(Settings(data=tmp_path, database="postgresql://pileus:a-secret@db/cloud"), None)

    output = capsys.readouterr().out
    assert f"keys create NAME {database_option})\n" in output
    assert "a-secret" not in output
