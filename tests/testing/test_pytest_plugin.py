"""The pytest plug-in, as other packages use it: each test writes a test file and runs pytest on it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "testing.md").read_text("utf-8")
MODULES = re.findall(r'^```python title="(\w+\.py)"\n(.*?)^```', GUIDE, re.MULTILINE | re.DOTALL)


# Programs that import everything take long on a busy machine.
pytestmark = pytest.mark.timeout(300)


def _start_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def _run_pytest(folder: Path, *options: str) -> str:
    done = _start_pytest(folder, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one run of all test files of the guide prints: they share a session, as those of a user do."""
    folder = tmp_path_factory.mktemp("guide")
    for name, code in MODULES:
        if name.startswith("test_"):
            (folder / name).write_text(code)
    done = _start_pytest(folder)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("name", "code"), MODULES, ids=[name for name, _ in MODULES])
def test_an_example_of_the_guide_passes(name: str, code: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if name.startswith("test_"):
        output = request.getfixturevalue("outcome")
        results = re.findall(rf"^{re.escape(name)}::.* ([A-Z]+) +\[", output, re.MULTILINE)
        # An error at the end of a test is a second line of it.
        assert results == ["PASSED"] * len(re.findall(r"^ *(?:async )?def test_", code, re.MULTILINE)), output
    else:
        (tmp_path / name).write_text(code)
        subprocess.run([sys.executable, "-W", "error", name], cwd=tmp_path, timeout=280, check=True)


def test_processes_and_tests_share_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_parallel.py").write_text(
        """
import pytest

@pytest.mark.parametrize("number", range(6))
def test_a_project_is_empty_at_first(pileus_client, number):
    assert pileus_client.cloud.ssh_keys.list().results == []
    pileus_client.cloud.ssh_keys.create(name="the-same-name")
"""
    )

    assert "6 passed" in _run_pytest(tmp_path, "-n", "2")


def test_faults_end_with_their_test(tmp_path: Path) -> None:
    (tmp_path / "test_faults.py").write_text(
        """
def test_one_leaves_faults(pileus):
    pileus.faults.fail("create_network")
    pileus.faults.respond("create_network", status=500)
    pileus.faults.disconnect("get_task", times=1)

def test_the_next_does_not_see_them(pileus, pileus_client):
    assert pileus.operator.get("/_pileus/http_faults").json() == []
    assert pileus_client.cloud.networks.create_and_poll(name="unharmed").name == "unharmed"
"""
    )

    assert "2 passed" in _run_pytest(tmp_path)


def test_the_clock_is_reset_after_a_test(tmp_path: Path) -> None:
    (tmp_path / "test_clocks.py").write_text(
        """
def test_one_leaves_a_frozen_clock(pileus):
    pileus.clock.freeze("2030-01-01")

def test_the_next_does_not_see_it(pileus):
    assert pileus.clock.now().year != 2030
"""
    )

    assert "2 passed" in _run_pytest(tmp_path)


def test_the_plugin_alone_imports_no_server() -> None:
    code = (
        "import sys, pileus.testing.pytest_plugin; sys.exit(any(name in sys.modules for name in ('litestar', 'httpx')))"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
