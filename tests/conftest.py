"""What tests run on: the real application on both databases, and a real server process for clients that need one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pileus.app import RunningCloud, run_cloud
from pileus.settings import Settings
from pileus.store import faults
from pileus.store.database import Database
from pileus.store.schema import open_database
from tests.brokers import run_broker
from tests.contract.documents import PUBLISHED
from tests.databases import BACKENDS, database_url, delete_all_rows
from tests.servers import Server, run_server
from tests.tenants import Tenant, new_tenant


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what answers have been validated against."""
    if PUBLISHED is None:
        line = (
            "The published contract is not beside the checkout: answers were only validated against our own document."
        )
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", params=BACKENDS)
async def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningCloud]:
    """A cloud in this process, with its engine at work, on each database."""
    data: Path = tmp_path_factory.mktemp("data")
    with database_url(request.param) as url:
        async with run_cloud(
            Settings(data=data, database=url, log_level="error", image_sources="any", subscribers="any")
        ) as cloud:
            yield cloud


@pytest.fixture
async def tenant(running: RunningCloud) -> AsyncIterator[Tenant]:
    """A tenant of its own, and a cloud in which nothing is to go wrong afterwards."""
    async with new_tenant(running) as fresh:
        yield fresh
    await running.app_state.db.write(faults.clear)


@pytest.fixture
async def stranger(running: RunningCloud) -> AsyncIterator[Tenant]:
    """Another tenant, who must never see what is the first one's."""
    async with new_tenant(running) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server process, for clients that need an address."""
    with run_server(tmp_path_factory.mktemp("served") / "data") as running_server:
        yield running_server


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of a message broker."""
    with run_broker(tmp_path_factory.mktemp("rabbit")) as connection_string:
        yield connection_string


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A database of the PostgreSQL server, for one test after the other."""
    with database_url("postgres") as address:
        yield address


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """That database with nothing in it but its schema, if it has had one: quicker than a new one."""
    delete_all_rows(postgres_server)
    return postgres_server


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest) -> str:
    """Where a database without any rows is; the file has no address."""
    return str(request.getfixturevalue("postgres")) if request.param == "postgres" else ""


@pytest.fixture
async def db(url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """That database, open."""
    database = await open_database(url, tmp_path)
    yield database
    await database.close()
