"""`pileus context`, and which server and key a command uses."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.cli.contexts import context_path
from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run
from tests.servers import Server, run_server


@pytest.fixture(autouse=True)
def no_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find no server that runs."""
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))


@pytest.fixture
def dev(run: Run, server: TemporaryServer) -> str:
    """The name of a context with the server."""
    created = run("context", "create", "dev", "--url", server.url, "--key", server.key)
    assert created.exit_code == 0, created.stderr
    return "dev"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another server, which has a key of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("other-runtime")))
        with run_server(tmp_path_factory.mktemp("other") / "data") as running:
            yield running


def shown(run: Run) -> dict[str, str]:
    """Return which server commands use."""
    fields: dict[str, str] = json.loads(run("context", "show", "-o", "json").stdout)
    return fields


def test_a_context_is_created_used_and_deleted(run: Run, server: TemporaryServer, dev: str) -> None:
    place = ("--url", server.url, "--key", server.key)
    run("context", "create", "lab", *place, "--project", "1", "--region", "1")
    names_before = run("context", "list", "-o", "name").stdout
    in_use = run("context", "list", "--columns", "name,in_use").stdout
    run("context", "use", "lab")
    url_from = shown(run)["url_from"]
    run("context", "delete", "lab")

    assert names_before == f"{dev}\nlab\n"
    assert in_use == "dev\ttrue\nlab\tfalse\n"
    assert url_from == "the context lab"
    assert run("context", "list", "-o", "name").stdout == "dev\n"
    assert run("regions", "list", "--context", dev).exit_code == 0


@pytest.mark.usefixtures("dev")
def test_commands_use_the_context_without_variables(run: Run) -> None:
    assert run("regions", "list", "-o", "name").stdout == "1\n"
    assert run("sim", "faults").exit_code == 0


def test_only_the_user_can_read_the_file(run: Run, dev: str) -> None:
    mode, directory_mode = (stat.S_IMODE(path.stat().st_mode) for path in (context_path(), context_path().parent))
    context_path().chmod(0o644)
    refused = run("regions", "list")

    assert (mode, directory_mode) == (0o600, 0o700)
    assert refused.exit_code == 1
    assert "others may read it: chmod 600" in refused.stderr
    assert dev


def test_a_key_is_never_shown(run: Run, server: TemporaryServer, dev: str) -> None:
    outputs = [run("context", *words).output for words in (["list"], ["show"], ["show", dev, "-o", "json"])]

    assert all(server.key not in output for output in outputs)


def test_variables_go_before_the_context_and_options_before_both(
    run: Run, dev: str, other: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GCORE_BASE_URL", "GCORE_API_KEY"):
        monkeypatch.setenv(name, other.environment[name])

    by_variable = shown(run)
    by_option = run("regions", "list", "--url", "http://127.0.0.1:1")
    by_context = run("regions", "list", "--context", dev, "--key", "1_not-a-key")
    monkeypatch.setenv("PILEUS_CONTEXT", dev)
    by_context_variable = shown(run)

    assert (by_variable["url"], by_variable["url_from"]) == (other.url, "GCORE_BASE_URL")
    assert "nothing answers at http://127.0.0.1:1 (--url)" in by_option.stderr
    assert "(the key is that of --key)" in by_context.stderr
    assert by_context_variable["url_from"] == "the context dev of PILEUS_CONTEXT"


@pytest.mark.usefixtures("dev")
def test_the_key_of_a_context_is_not_sent_to_another_server(run: Run, other: Server) -> None:
    refused = run("regions", "list", "--url", other.url)

    assert (refused.exit_code, "no API key" in refused.stderr) == (2, True)


def test_a_running_server_is_found_without_any_setting(run: Run, tmp_path: Path) -> None:
    with run_server(tmp_path / "data", PILEUS_API_KEY="") as running:
        fields = shown(run)
        listed = run("regions", "list", "-o", "name")

    assert (fields["url"], fields["url_from"]) == (running.url, f"the running server in {tmp_path / 'data'}")
    assert listed.stdout == "1\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("use", "dew"), "There is no context dew. Did you mean dev?"),
        (("delete", "nothing"), "There is no context nothing. `pileus context list` shows those there are."),
        (("create", "dev", "--url", "http://x", "--key", "1_x"), "there is a context dev: --replace replaces it"),
        (("create", "new", "--url", "http://127.0.0.1:1", "--key", "1_x"), "nothing answers at http://127.0.0.1:1"),
    ],
)
@pytest.mark.usefixtures("dev")
def test_a_mistake_changes_nothing(run: Run, arguments: tuple[str, ...], message: str) -> None:
    before = context_path().read_text()

    refused = run("context", *arguments)

    assert refused.exit_code in (1, 2)
    assert message in refused.stderr
    assert context_path().read_text() == before


def test_a_broken_file_is_reported_in_one_line(run: Run, dev: str) -> None:
    context_path().write_text("{")

    refused = run("regions", "list", "--context", dev)

    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "is not a file of contexts" in refused.stderr


def test_a_number_in_a_variable_is_checked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCORE_CLOUD_PROJECT_ID", "shop")

    refused = run("instances", "list", "--key", "1_k")

    assert (refused.exit_code, refused.stderr) == (
        2,
        "pileus: GCORE_CLOUD_PROJECT_ID is not the id of a project: shop\n",
    )
