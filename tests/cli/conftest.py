"""Fixtures: a real server, and functions that run commands."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pileus.cli.main import pileus
from pileus.cli.temporary_server import TemporaryServer, run_temporary_server
from pileus.initial_data import open_seeded_database
from pileus.settings import Settings

Run = Callable[..., Result]
VARIABLES = (
    "GCORE_BASE_URL", "GCORE_API_KEY", "GCORE_CLOUD_PROJECT_ID", "GCORE_CLOUD_REGION_ID",
    "PILEUS_CONFIG", "PILEUS_CONTEXT", "PILEUS_DATA",
)  # fmt: skip


@pytest.fixture(scope="session")
def server() -> Iterator[TemporaryServer]:
    """A server in its own process, as users run it."""
    with run_temporary_server("--instance-cache-checked") as running:
        yield running


@pytest.fixture
def cloud_data(tmp_path: Path) -> Path:
    """The data directory of a server that has been stopped."""
    data = tmp_path / "data"

    async def start_and_stop() -> None:
        async with open_seeded_database(Settings(data=data)):
            pass

    asyncio.run(start_and_stop())
    return data


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a command line in this process, without the user's variables, contexts and servers."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))

    return invoke_command


@pytest.fixture
def use(run: Run, server: TemporaryServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command against the server."""
    monkeypatch.setenv("GCORE_BASE_URL", server.url)
    monkeypatch.setenv("GCORE_API_KEY", server.key)
    return run


def invoke_command(*arguments: str) -> Result:
    """Run a command line in this process."""
    return CliRunner().invoke(pileus, arguments, prog_name="pileus")


def invoke_without_variables(*arguments: str) -> Result:
    """Run a command line in this process, without the variables of clients."""
    return CliRunner(env=dict.fromkeys(VARIABLES)).invoke(pileus, arguments, prog_name="pileus")


@pytest.fixture
def sim(run: Run, server: TemporaryServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `pileus sim` against the server."""
    monkeypatch.setenv("GCORE_BASE_URL", server.url)
    monkeypatch.setenv("GCORE_API_KEY", server.key)

    def invoke(*arguments: str) -> Result:
        return run("sim", *arguments)

    return invoke
