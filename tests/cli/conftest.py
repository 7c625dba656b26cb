"""A real server for the commands that talk to one, and a way to run them."""

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from pileus.cli.main import pileus
from pileus.cli.temporary_server import Trial, trial

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def lent() -> Iterator[Trial]:
    """A server in a process of its own, as users have it."""
    with trial() as found:
        yield found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in this process, with no variables of the user's."""
    for name in ("GCORE_BASE_URL", "GCORE_API_KEY", "GCORE_CLOUD_REGION_ID", "PILEUS_CONFIG", "PILEUS_DATA"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(pileus, arguments, prog_name="pileus")

    return invoke


@pytest.fixture
def sim(run: Run, lent: Trial, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `pileus sim` against the server, and leave nothing to go wrong behind."""
    monkeypatch.setenv("GCORE_BASE_URL", lent.url)
    monkeypatch.setenv("GCORE_API_KEY", lent.key)

    def invoke(*arguments: str) -> Result:
        return run("sim", *arguments)

    return invoke
