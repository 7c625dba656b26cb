"""Mark the tests of this folder, share the time of the long form among them, and print what they have found."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.rounds import IS_LONG, MINUTES, PARTS, SCHEDULE

HERE = Path(__file__).parent


def part_of(item: pytest.Item) -> str:
    """Return the name of the part that a test belongs to."""
    return item.path.stem.removeprefix("test_")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the marker `chaos`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chaos)


@pytest.fixture(scope="session")
def seconds_by_part(request: pytest.FixtureRequest) -> dict[str, float]:
    """The seconds that each test of a part gets in the long form."""
    counts = Counter(part_of(item) for item in request.session.items if item.path.is_relative_to(HERE))
    whole = sum(PARTS[part] for part in counts)
    return {part: 60 * MINUTES * PARTS[part] / whole / number for part, number in counts.items()}


@pytest.fixture(scope="session", autouse=True)
def _interruptible(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the first Ctrl-C end the long form after the running round; a second one ends it at once."""

    def stop_soon(*_: object) -> None:
        SCHEDULE.is_interrupted = True
        request.session.shouldstop = "interrupted"
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if IS_LONG:
        signal.signal(signal.SIGINT, stop_soon)
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _scheduled(request: pytest.FixtureRequest, seconds_by_part: dict[str, float]) -> None:
    part = part_of(request.node)
    SCHEDULE.write = make_writer(request.config)
    SCHEDULE.begin(part, seconds_by_part[part])


def make_writer(config: pytest.Config) -> Callable[[str], None]:
    """Return a function that prints a line although pytest captures the output of tests."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    capture: Any = config.pluginmanager.get_plugin("capturemanager")

    def write(line: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)

    return write


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of each part."""
    for part in SCHEDULE.figures if IS_LONG else ():
        terminalreporter.write_line(SCHEDULE.describe(part))
