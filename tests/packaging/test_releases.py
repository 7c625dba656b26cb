"""The scripts and the workflow of a release."""

import http.server
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import pileus
from tests.packaging.distributions import ROOT, Distributions
from tests.packaging.environments import clean_variables, make_environment
from tests.packaging.workflows import read_yaml

# They install packages and start servers.
pytestmark = pytest.mark.timeout(300)

WORKFLOW = read_yaml(ROOT / ".github" / "workflows" / "release.yml")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files without a log."""

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index on this machine, which has pip; its packages are folders of `tmp_path`."""
    publish(tmp_path, "pip", "25.0")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def publish(packages: Path, name: str, version: str) -> None:
    """Add a version of a package to the index."""
    page = packages / name / "index.html"
    page.parent.mkdir(exist_ok=True)
    files = page.read_text() if page.exists() else ""
    page.write_text(f'{files}<a href="{name}-{version}-py3-none-any.whl">{name}-{version}-py3-none-any.whl</a>\n')


def check_name(index: str) -> subprocess.CompletedProcess[str]:
    """Run the script with this index only."""
    variables = {"PIP_INDEX_URL": index, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    kept = {name: value for name, value in clean_variables().items() if not name.startswith("PIP_")}
    return subprocess.run(
        [ROOT / "scripts" / "check-name"], env=kept | variables, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_name_that_the_index_does_not_have_is_free(index: str) -> None:
    checked = check_name(index)

    assert (checked.returncode, checked.stdout) == (0, "The name pileus is free.\n"), checked.stderr


def test_a_name_of_somebody_else_is_refused(index: str, tmp_path: Path) -> None:
    publish(tmp_path, "pileus", "0.0.7")

    checked = check_name(index)

    assert checked.returncode == 1
    assert "pileus 0.0.7 is a package of somebody else" in checked.stderr


def test_a_version_that_is_published_already_is_refused(index: str, tmp_path: Path) -> None:
    publish(tmp_path, "pileus", pileus.__version__)

    checked = check_name(index)

    assert checked.returncode == 1
    assert f"version {pileus.__version__} of pileus is published already" in checked.stderr


def test_an_index_that_does_not_answer_is_no_free_name() -> None:
    checked = check_name("http://127.0.0.1:1")

    assert checked.returncode == 1
    assert checked.stderr == "check-name: the package index does not answer\n"


def test_the_text_of_a_release_is_its_section_of_the_changelog() -> None:
    sections = re.findall(r"^## (\S+).*\n((?:(?!## ).*\n)*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    # The first section is empty after a release.
    newest = next(name for name, text in sections if text.strip())
    notes = subprocess.check_output([ROOT / "scripts" / "release-notes", newest], text=True)

    assert notes.strip() == dict(sections)[newest].strip()
    assert "\n## " not in notes
    missing = subprocess.run(
        [ROOT / "scripts" / "release-notes", "99"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (missing.returncode, missing.stderr) == (1, "CHANGELOG.md has no section for version 99\n")


def test_the_list_of_components_has_the_locked_versions(distributions: Distributions, tmp_path: Path) -> None:
    make_environment(tmp_path / "env", "3.11", f"{distributions.wheel}[sdk]")
    output = tmp_path / "sbom.json"

    subprocess.run(
        [ROOT / "scripts" / "sbom", distributions.wheel, output],
        env=clean_variables() | {"UV_OFFLINE": "1"},
        timeout=280,
        check=True,
    )

    sbom = json.loads(output.read_text())
    locked = set(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    components = {(re.sub(r"[-_.]+", "-", item["name"]).lower(), item["version"]) for item in sbom["components"]}
    assert sbom["metadata"]["component"]["name"] == "pileus"
    assert sbom["metadata"]["component"]["version"] == pileus.__version__
    assert "gcore" in {name for name, _ in components}
    assert components - {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in locked} == set()


def test_a_release_holds_no_secret_and_each_job_has_only_the_rights_that_it_needs() -> None:
    rights = {name: set(job["permissions"]) for name, job in WORKFLOW["jobs"].items()}

    assert WORKFLOW["permissions"] == {}
    assert rights == {
        "build": {"contents"},
        "attest": {"id-token", "attestations"},
        "publish": {"id-token"},
        "release": {"contents"},
    }
    assert "secrets." not in json.dumps(WORKFLOW["jobs"])
    assert WORKFLOW["jobs"]["publish"]["environment"] == "release"


def test_the_scripts_that_a_release_runs_exist() -> None:
    commands = "\n".join(step.get("run", "") for job in WORKFLOW["jobs"].values() for step in job["steps"])
    scripts = set(re.findall(r"scripts/[\w-]+", commands))

    assert scripts == {"scripts/check-name", "scripts/novnc", "scripts/release-notes", "scripts/sbom"}
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)
