"""The action and the workflows: what they run, and that every foreign action is pinned."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.packaging.distributions import ROOT, Distributions
from tests.packaging.environments import clean_variables, make_environment
from tests.packaging.test_distributions import list_tracked_files
from tests.packaging.workflows import Job, read_yaml
from tests.requirements import REQUIRED, VARIABLE
from tests.servers import free_port

# They install packages and start servers.
pytestmark = pytest.mark.timeout(300)

WORKFLOWS = [
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *sorted((ROOT / "examples" / ".github" / "workflows").glob("*.yml")),
]
FILES = [ROOT / "action.yml", *WORKFLOWS]
NODE_OF_DEBIAN = 18
PINNED = re.compile(r"[\w-]+/[\w.-]+@[0-9a-f]{40}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(("kind", "files"), [("actions", FILES[:1]), ("workflows", WORKFLOWS)])
def test_files_fit_the_published_schema(kind: str, files: list[Path]) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.github-{kind}", *map(str, files)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_ci_runs_the_tests_that_need_namespaces_and_mounts() -> None:
    job = read_yaml(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["check-and-test"]

    assert job["container"]["options"] == "--privileged"
    assert job["env"][VARIABLE] == REQUIRED


@pytest.mark.parametrize(("value", "outcome"), [("", "2 skipped"), (REQUIRED, "2 errors")])
def test_tests_without_the_right_to_namespaces_are_skipped_or_fail_as_the_variable_says(
    value: str, outcome: str
) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/drivers/qemu/test_bridges.py"]
    # Without a path there is no `ip`, which makes namespaces.
    environment = {**clean_variables(), "PATH": "", VARIABLE: value}
    run = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert outcome in run.stdout, run.stdout + run.stderr


def test_the_driver_of_the_browser_runs_on_the_node_of_debian() -> None:
    packages = json.loads((ROOT / "tests/browser/package-lock.json").read_text("utf-8"))["packages"]
    oldest = {name: package["engines"]["node"] for name, package in packages.items() if "engines" in package}

    assert "node_modules/playwright-core" in oldest
    assert all(int(re.findall(r"\d+", version)[0]) <= NODE_OF_DEBIAN for version in oldest.values()), oldest


def find_uses(document: Any) -> Iterator[str]:
    """Yield the actions that a workflow or an action uses."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from [value] if key == "uses" else find_uses(value)
    elif isinstance(document, list):
        for item in document:
            yield from find_uses(item)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, distributions: Distributions) -> Path:
    """A runner: a Python, a copy of the examples with this checkout at `.pileus`, and a folder for temporary files.

    The environments have the packages that Pileus needs, so that pip needs no index.
    """
    home = tmp_path_factory.mktemp("machine")
    shutil.copytree(ROOT / "examples", home / "workspace")
    for path in list_tracked_files("src", "pyproject.toml", "README.md", "LICENSE", "action.yml", "requirements.lock"):
        (home / "workspace" / ".pileus" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, home / "workspace" / ".pileus" / path)
    make_environment(home / "python", VERSION, "hatchling", "editables", "pip", f"{distributions.wheel}[pytest]")
    make_environment(home / "temp" / "pileus" / "venv", VERSION, "-r", "requirements.lock", "pip")
    return home


@pytest.fixture
def job(machine: Path) -> Iterator[Job]:
    """A job on this machine. What it has started is stopped at its end."""
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "XDG_RUNTIME_DIR": str(machine)}
    path = {"PATH": f"{machine / 'python' / 'bin'}:{os.environ['PATH']}"}
    yield Job(machine / "workspace", machine / "temp", clean_variables() | offline | path)
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((machine / "temp" / "pileus" / "pid").read_text()), signal.SIGTERM)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_foreign_actions_are_pinned_to_a_commit(file: Path) -> None:
    uses = list(find_uses(read_yaml(file)))

    assert [action for action in uses if not action.startswith("./") and not PINNED.fullmatch(action)] == []


def test_the_action_starts_a_cloud_and_exports_the_variables_of_clients(job: Job) -> None:
    """The job of the examples runs it, and finds what its Terraform folder needs."""
    steps = read_yaml(job.workspace / ".github" / "workflows" / "test.yml")["jobs"]["terraform"]["steps"]
    (action,) = (step for step in steps if step.get("id") == "pileus")
    url = f"http://127.0.0.1:{free_port()}"
    action["with"] |= {"port": url.rpartition(":")[2], "options": "--simulated-time realistic"}

    outputs = job.run_steps(steps, {}, is_needed=is_without_terraform)["pileus"]

    authorization = {"Authorization": f"APIKey {outputs['api-key']}"}
    address = f"{outputs['url']}/cloud/v1/instances/{outputs['project-id']}/{outputs['region-id']}"
    assert httpx.get(address, headers=authorization).json()["count"] == 0
    assert job.environment["GCORE_BASE_URL"] == outputs["url"] == url
    assert job.environment["GCORE_CLOUD_API"] == f"{url}/cloud"
    assert job.environment["GCORE_API_KEY"] == outputs["api-key"]
    assert f"::add-mask::{outputs['api-key']}" in job.output
    assert outputs["api-key"] not in Path(outputs["log"]).read_text()
    for variable in ("TF_VAR_image_id", "TF_VAR_external_network_id"):
        assert UUID.fullmatch(job.environment[variable])


def is_without_terraform(step: dict[str, Any]) -> bool:
    """Return whether a step runs without Terraform and without a failure before it."""
    return not step.get("run", "").startswith("terraform") and step.get("if") != "failure()"


def test_the_action_shows_the_log_of_a_server_that_does_not_start(job: Job) -> None:
    with pytest.raises(AssertionError, match="none-such") as caught:
        job.run_action(job.workspace / ".pileus", {"port": str(free_port()), "options": "--driver none-such"})

    assert "::error title=Pileus is not ready::" in str(caught.value)


def test_the_python_job_of_the_examples_passes(job: Job) -> None:
    workflow = read_yaml(job.workspace / ".github" / "workflows" / "test.yml")

    job.run_steps(workflow["jobs"]["python"]["steps"], {})

    assert "5 passed" in job.output
