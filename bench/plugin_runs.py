"""The pytest plug-in: the start of a cloud in a test process, and the time of a test with a project of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from bench.clouds import Clouds
from bench.results import Result, at_most

TESTS = """
import json, pathlib, time
import pytest
import pileus.testing.clouds

ENDS = []

def test_the_cloud_starts(request):
    begin = time.perf_counter()
    request.getfixturevalue("pileus")
    ENDS.append(begin)

@pytest.mark.parametrize("number", range({count}))
def test_a_project(pileus_project, number):
    ENDS.append(time.perf_counter())

def teardown_module():
    pathlib.Path("times.json").write_text(json.dumps(ENDS))
"""
"""The first interval contains the start of the cloud, each other one a whole test."""
MILLISECONDS = 1000


def measure_plugin(clouds: Clouds) -> Iterator[Result]:
    """Measure runs of pytest with tests that only ask for a project."""
    starts, tests = [], []
    for _ in range(clouds.sizes.starts):
        first, *others = _run_tests(clouds.sizes.created)
        starts.append(first)
        tests += [MILLISECONDS * seconds for seconds in others]
    yield Result("plug-in: imported to first test", starts, "s", at_most(0.4))
    yield Result("plug-in: test with a project", tests, "ms", at_most(20))


def _run_tests(count: int) -> list[float]:
    """Return the seconds between the ends of tests."""
    with tempfile.TemporaryDirectory(prefix="pileus-") as folder:
        (Path(folder) / "test_projects.py").write_text(TESTS.format(count=count))
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:asyncio"]
        command = [sys.executable, "-m", "pytest", *options, "test_projects.py"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        times = json.loads((Path(folder) / "times.json").read_text())
    return [end - begin for begin, end in pairwise(times)]
