"""The pytest plug-in: fixtures with a simulated cloud, and options of the conformance suite.

Every run of pytest loads this module, so it imports the server only when a test uses a fixture.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from pileus.install_hints import install_command

if TYPE_CHECKING:
    from pileus.testing.clouds import Cloud, CloudProject

MARKER = (
    "pileus(catalogue=FILE, time='realistic', …): run the test against a cloud with these settings; `time` is short "
    "for `simulated_time`"
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and prepare the conformance suite if it is meant to run. Raises UsageError."""
    config.addinivalue_line("markers", MARKER)
    if not config.getoption("--pileus-driver"):
        return
    if find_spec("pytest_asyncio") is None:
        raise pytest.UsageError(f"The conformance suite needs pytest-asyncio: {install_command('conformance')}")
    # The suite says the scope of each of its fixtures, so that the default has no effect. pytest-asyncio warns without
    # one when it is configured, which is after this.
    warnings.filterwarnings("ignore", message='.*"asyncio_default_fixture_loop_scope" is unset')


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("pileus", "conformance of Pileus drivers")
    group.addoption(
        "--pileus-driver",
        metavar="NAME",
        help="The driver to test: pytest --pileus-driver NAME --pyargs pileus.testing.conformance",
    )
    group.addoption(
        "--pileus-image",
        metavar="FILE",
        help="A disk image of a Linux system that real machines can boot; some tests are skipped without it.",
    )


pytest.register_assert_rewrite("pileus.testing.conformance")


@pytest.fixture(scope="session")
def pileus_clouds() -> "Iterator[Callable[..., Cloud]]":
    """Return the simulated cloud with the given settings: it starts at the first call and runs until the session ends.

    Each process of pytest-xdist has clouds of its own.
    """
    import pileus.testing  # noqa: PLC0415

    clouds: dict[str, Any] = {}
    with ExitStack() as running:

        def cloud_with(**settings: Any) -> "Cloud":
            key = repr(sorted(settings.items()))
            if key not in clouds:
                clouds[key] = running.enter_context(pileus.testing.cloud(**settings))
            return clouds[key]  # type: ignore[no-any-return]

        yield cloud_with


@pytest.fixture(name="pileus")
def pileus_cloud(request: pytest.FixtureRequest, pileus_clouds: "Callable[..., Cloud]") -> "Iterator[Cloud]":
    """Return a simulated cloud: that of the session, or one with the settings of the marker `pileus`.

    Its faults are removed and its clock is reset after the test. With `strict=True` the test fails if it has sent what
    nothing reads.
    """
    marker = request.node.get_closest_marker("pileus")
    settings = dict(marker.kwargs) if marker else {}
    if "time" in settings:
        settings["simulated_time"] = settings.pop("time")
    cloud = pileus_clouds(**settings)
    cloud.requests.begin()
    yield cloud
    cloud.clock.reset()
    cloud.faults.release_all()
    if settings.get("strict"):
        cloud.requests.assert_all_read()


@pytest.fixture
def pileus_project(pileus: "Cloud", monkeypatch: pytest.MonkeyPatch) -> "CloudProject":
    """Create a project for the test. The variables of the official clients name it during the test."""
    project = pileus.create_project()
    pileus.requests.begin(project.tenant_id)
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    return project


@pytest.fixture
def pileus_client(pileus_project: "CloudProject") -> Iterator[Any]:
    """Return the official client, `gcore.Gcore`, for the project of the test."""
    with pileus_project.make_client() as client:
        yield client


@pytest.fixture
def pileus_async_client(pileus_project: "CloudProject") -> Any:
    """Return the official asynchronous client, `gcore.AsyncGcore`, for the project of the test."""
    return pileus_project.make_async_client()
