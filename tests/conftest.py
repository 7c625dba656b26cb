"""Fixtures of all tests: the application on both databases, tenants, and a real server process."""

import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from pileus.app import RunningCloud, run_cloud
from pileus.services.account import passwords
from pileus.store import faults
from pileus.store.count_checks import find_wrong_counts
from pileus.store.database import Database
from pileus.store.schema import open_database
from tests.app_settings import checked_settings
from tests.brokers import run_broker
from tests.contract.documents import PUBLISHED
from tests.databases import BACKENDS, database_url, delete_all_rows
from tests.packaging.distributions import ROOT, Distributions, build_distributions
from tests.servers import Server, run_server
from tests.tenants import Tenant, new_tenant
from tests.watched_transactions import note_requests, watch_transactions


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report that the published contract is missing."""
    if not PUBLISHED:
        line = (
            "The published contract is not beside the checkout: answers were only validated against our own document."
        )
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def patient_clients() -> Iterator[None]:
    """Let HTTP clients wait for more than the usual five seconds, which a busy machine needs for some answers."""
    default: httpx.Timeout = inspect.signature(httpx.Client).parameters["timeout"].default
    with pytest.MonkeyPatch.context() as patch:
        for phase in ("connect", "read", "write", "pool"):
            patch.setattr(default, phase, 60.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def runtime_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let commands find no server but those of this process's tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        yield


@pytest.fixture(scope="session", autouse=True)
def fast_passwords() -> Iterator[None]:
    """Hash passwords with little work in this process: each takes half a second of a slow machine otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "ITERATIONS", 1)
        patch.setattr(passwords, "MEMORY", 1 << 10)
        yield


@pytest.fixture(scope="session", params=BACKENDS)
async def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningCloud]:
    """A cloud in this process with a running engine, on each database."""
    data: Path = tmp_path_factory.mktemp("data")
    with database_url(request.param) as url:
        async with run_cloud(
            checked_settings(data=data, database=url, log_level="error", image_sources="any", subscribers="any")
        ) as cloud:
            cloud.app.asgi_handler = note_requests(cloud.app.asgi_handler)
            with watch_transactions(cloud.app_state.db) as watched:
                yield cloud
            assert await find_wrong_counts(cloud.app_state.db) == []
            assert watched.list_mixed() == set()
            assert watched.changing_copied == set()


@pytest.fixture
async def tenant(running: RunningCloud) -> AsyncIterator[Tenant]:
    """A new tenant; injected faults are removed and the clock is reset afterwards."""
    async with new_tenant(running) as fresh:
        yield fresh
        await fresh.operator.delete("/_pileus/clock")
    await running.app_state.db.write(faults.remove_all)


@pytest.fixture
async def stranger(running: RunningCloud) -> AsyncIterator[Tenant]:
    """Another tenant, who must never see the resources of the first one."""
    async with new_tenant(running) as other:
        yield other


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server process, for clients that need a URL."""
    with run_server(tmp_path_factory.mktemp("served") / "data") as running_server:
        yield running_server


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The sdist and the wheel of this checkout."""
    return build_distributions(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of a message broker."""
    with run_broker(tmp_path_factory.mktemp("rabbit")) as connection_string:
        yield connection_string


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL database that tests use one after the other."""
    with database_url("postgres") as address:
        yield address


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The URL of that database without rows, which is faster than a new database."""
    delete_all_rows(postgres_server)
    return postgres_server


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a database without rows; empty for SQLite."""
    return str(request.getfixturevalue("postgres")) if request.param == "postgres" else ""


@pytest.fixture
async def db(url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """An open database without rows."""
    database = await open_database(url, tmp_path)
    yield database
    await database.close()
