"""Lists of ten thousand records in the web console: the page stays as small as that of a few."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.population import populate
from bench.servers import KEY, Server, free_port, run_pileus

from tests.console.conftest import Browser

pytestmark = pytest.mark.timeout(180)
RECORDS = 10_000
MOST_ELEMENTS = 3_000


@pytest.fixture
def large_server(tmp_path: Path) -> Iterator[Server]:
    """A server with ten thousand instances, each with a volume."""
    with run_pileus(populate(tmp_path / "data", RECORDS), free_port()) as server:
        yield server


def test_a_list_of_ten_thousand_shows_a_page_and_answers_input(browser: Browser, large_server: Server) -> None:
    result = browser.run("large_list", server=large_server.url, serverKey=KEY, name="name-of-the-template")
    sizes = result["sizes"]

    assert [size["rows"] for size in sizes.values()] == [25, 25, 100, 25, 1]
    assert max(size["elements"] for size in sizes.values()) <= MOST_ELEMENTS
    assert sizes["first"]["range"] == f"1–25 of {RECORDS + 1:,}"
    assert result["typed"] == "name-of-the-template"
    assert (result["most"], result["options"]) == (100, 250)
    assert result["errors"] == []
