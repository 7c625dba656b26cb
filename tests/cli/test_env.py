"""`pileus env`: the variables of every client, in each format as its reader sees them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gcore import Gcore

from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run
from tests.servers import start_server

KEY = "1_a-key-in-a-file"
ODD_KEYS = ("1$dollar-and-digits", '1_it\'s"quoted"', "1_back\\slash\\\\s", "1_#`$(touch x)`;&|*~!", "1_{brace}%s%%")
VARIABLES = {
    "GCORE_BASE_URL": "http://127.0.0.1:8080",
    "GCORE_API_KEY": KEY,
    "GCORE_CLOUD_PROJECT_ID": "1",
    "GCORE_CLOUD_REGION_ID": "1",
    "GCORE_API_ENDPOINT": "http://127.0.0.1:8080",
    "GCORE_CLOUD_API": "http://127.0.0.1:8080/cloud",
    "GCORE_PERMANENT_TOKEN": KEY,
    "GCLOUD_API_URL": "http://127.0.0.1:8080/cloud",
    "GCLOUD_API_TOKEN": KEY,
    "GCLOUD_CLIENT_TYPE": "api-token",
    "GCLOUD_PROJECT": "1",
    "GCLOUD_REGION": "1",
    "CLOUD_API_HOST": "http://127.0.0.1:8080/cloud",
    "CLOUD_API_KEY": KEY,
    "CLOUD_PROJECT_ID": "1",
    "CLOUD_REGION_ID": "1",
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with a key, as the first start leaves it."""
    for name in ("PILEUS_API_KEY", "PILEUS_HOST", "PILEUS_PORT", "PILEUS_PUBLIC_URL", "PILEUS_CATALOGUE"):
        monkeypatch.delenv(name, raising=False)
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "admin.key").write_text(f"{KEY}\n")
    return directory


def read_with_shell(text: str) -> dict[str, str]:
    """Run the text as a user's shell does, and return the variables that a child process then has."""
    child = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    printed = subprocess.run(
        ["sh", "-euc", f'eval "$1"; {child}', "sh", text], env={}, capture_output=True, text=True, check=True
    )
    return {name: value for name, value in json.loads(printed.stdout).items() if name in VARIABLES}


def read_fish(text: str) -> dict[str, str]:
    return {
        name: read_quoted(value)
        for name, value in (line.removeprefix("set -gx ").split(" ", 1) for line in text.splitlines())
    }


def read_dotenv(text: str) -> dict[str, str]:
    return {name: read_quoted(value) for name, value in (line.split("=", 1) for line in text.splitlines())}


def read_quoted(value: str) -> str:
    """Read a value in single quotes, in which a backslash escapes a quote or a backslash."""
    if not value.startswith("'"):
        assert re.fullmatch(r"[\w@%+=:,./-]+", value)
        return value
    assert re.fullmatch(r"'(?:[^'\\]|\\['\\])*'", value)
    return re.sub(r"\\(['\\])", r"\1", value[1:-1])


def read_github(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


READERS: dict[str, Callable[[str], dict[str, str]]] = {
    "sh": read_with_shell,
    "fish": read_fish,
    "dotenv": read_dotenv,
    "json": json.loads,
    "github": read_github,
}


@pytest.mark.parametrize("name", READERS)
def test_each_format_has_the_variables_of_every_client(name: str, run: Run, data: Path) -> None:
    printed = run("env", "--data", str(data), "--format", name)

    assert READERS[name](printed.stdout) == VARIABLES
    assert (printed.exit_code, printed.stderr.count("\n")) == (0, 1)
    assert f"on {data}: http://127.0.0.1:8080 is only the default address" in printed.stderr


def test_the_default_format_is_sh(run: Run, data: Path) -> None:
    assert run("env", "--data", str(data)).stdout == run("env", "--data", str(data), "--format", "sh").stdout


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_of_odd_characters_is_quoted(key: str, name: str, run: Run, data: Path) -> None:
    (data / "admin.key").write_text(f"{key}\n")

    variables = READERS[name](run("env", "--data", str(data), "--format", name).stdout)

    assert variables == VARIABLES | {key_name: key for key_name, value in VARIABLES.items() if value == KEY}


def test_directory_and_address_come_from_variables_too(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILEUS_DATA", str(data))
    monkeypatch.setenv("PILEUS_PORT", "9000")

    by_port = json.loads(run("env", "--format", "json").stdout)
    by_url = json.loads(run("env", "--format", "json", "--public-url", "https://cloud.example.org/").stdout)

    assert (by_port["GCORE_BASE_URL"], by_port["GCORE_API_KEY"]) == ("http://127.0.0.1:9000", KEY)
    assert run("env").stderr == ""
    assert by_url["GCORE_API_ENDPOINT"] == "https://cloud.example.org"
    assert by_url["CLOUD_API_HOST"] == "https://cloud.example.org/cloud"


def test_a_given_key_wins_and_needs_no_directory(run: Run, tmp_path: Path) -> None:
    printed = run("env", "--data", str(tmp_path / "none"), "--api-key", "7_given-secret", "--format", "json")

    assert json.loads(printed.stdout)["GCORE_PERMANENT_TOKEN"] == "7_given-secret"


def test_without_a_directory_it_says_what_to_do(run: Run, data: Path) -> None:
    refused = run("env", "--data", str(data / "none"))

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"pileus: There is no data directory {data}/none. Run `pileus serve` first, or name another with --data.\n"
    )
    assert not (data / "none").exists()


@pytest.mark.parametrize("content", [None, "\n"])
def test_without_a_key_it_says_what_to_do(content: str | None, run: Run, data: Path) -> None:
    file = data / "admin.key"
    file.unlink() if content is None else file.write_text(content)

    refused = run("env", "--data", str(data))

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"pileus: There is no API key in {file}. Run `pileus serve` first, or `pileus keys create NAME` and give its "
        "token with --api-key.\n"
    )


@pytest.mark.parametrize("text", [None, "flavors = 3"])
def test_a_wrong_catalogue_is_reported_in_one_line(text: str | None, run: Run, data: Path) -> None:
    catalogue = data / "catalogue.toml"
    if text:
        catalogue.write_text(text)

    refused = run("env", "--data", str(data), "--catalogue", str(catalogue))

    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert refused.stderr.startswith(f"pileus: {catalogue}: ")


def test_the_official_sdk_works_with_the_variables(
    run: Run, server: TemporaryServer, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "admin.key").write_text(f"{server.key}\n")
    port = server.url.rpartition(":")[2]
    printed = run("env", "--data", str(data), "--port", port).stdout
    for name, value in read_with_shell(printed).items():
        monkeypatch.setenv(name, value)

    images = Gcore().cloud.instances.images.list()

    assert images.count > 0


def test_the_line_that_the_server_prints_works_in_another_terminal(tmp_path: Path) -> None:
    server = start_server(tmp_path / "a data directory", variables={"PILEUS_API_KEY": ""})
    assert server.process.stdout is not None
    last_line = f"API reference: {server.url}/schema      Documentation: {server.url}/docs      Ctrl-C stops.\n"
    output = "".join(iter(server.process.stdout.readline, last_line))
    (line,) = re.findall("^Other clients and terminals: (eval .*)$", output, re.MULTILINE)

    variables = read_with_shell(line)
    server.stop()

    assert variables.keys() == VARIABLES.keys()
    assert variables["GCORE_API_ENDPOINT"] == server.url
    assert variables["GCORE_API_KEY"] == (tmp_path / "a data directory" / "admin.key").read_text().strip()
