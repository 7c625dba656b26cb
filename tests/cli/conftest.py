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
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in this process, without the user's variables."""
    for name in ("GCORE_BASE_URL", "GCORE_API_KEY", "GCORE_CLOUD_REGION_ID", "PILEUS_CONFIG", "PILEUS_DATA"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(pileus, arguments, prog_name="pileus")

    return invoke


@pytest.fixture
def sim(run: Run, server: TemporaryServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `pileus sim` against the server."""
    monkeypatch.setenv("GCORE_BASE_URL", server.url)
    monkeypatch.setenv("GCORE_API_KEY", server.key)

    def invoke(*arguments: str) -> Result:
        return run("sim", *arguments)

    return invoke
