"""The command adopts all that can be adopted, and shows what cannot, with a driver of the tests."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.regions.clouds import catalogue_text
from tests.servers import KEY, run_server

ENTRY_POINTS = """
[pileus.drivers]
refusing = tests.drivers.foreign:RefusingDriver
[pileus.driver_settings]
refusing = tests.drivers.memory:MemorySettings
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The URL of a server with that driver in region 2."""
    metadata = tmp_path / "refusing-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: refusing\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "catalogue.toml").write_text(catalogue_text({2: 'driver = "refusing"'}))
    catalogue = str(tmp_path / "catalogue.toml")
    with run_server(tmp_path / "data", "--catalogue", catalogue, PYTHONPATH=str(tmp_path)) as server:
        yield server.url


def test_a_refusal_and_many_obstacles_do_not_keep_others_from_being_adopted(run: Run, url: str) -> None:
    command = ("adopt", "--url", url, "--key", KEY, "--region", "2", "-o", "json", "--apply")

    first = run(*command)
    repeated = run(*command, "data", "net")

    assert (first.exit_code, "201 of 202 resources are not adopted" in first.stderr) == (1, True), first.output
    adopted, network, *volumes = json.loads(first.stdout)
    assert (adopted["cloud_id"], adopted["obstacle"]) == ("data", None)
    assert (network["cloud_id"], network["obstacle"]) == ("net", "Network net is of somebody else")
    assert {"no volume type lvm" in row["obstacle"] for row in volumes} == {True}
    assert [row["cloud_id"] for row in json.loads(repeated.stdout)] == ["net"]
