"""The wheel and the sdist: what is in them, and the smoke tests with the installed wheel on the other Pythons."""

import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.packaging.distributions import (
    ROOT,
    Distributions,
    build_distributions,
    build_wheel_of_sdist,
    names_in_wheel,
)
from tests.packaging.environments import check_requirements, make_environment

# They install packages and start servers.
pytestmark = pytest.mark.timeout(300)

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER_PYTHONS = [version for version in ("3.11", "3.12", "3.13") if version != VERSION]
"""The whole suite runs on this one, and `test_extras.py` with the wheel."""
SMOKE_TESTS = [
    "tests/docs/test_examples.py",
    "tests/testing/test_pytest_plugin.py::test_an_example_of_the_guide_passes[test_faults.py]",
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GENERATED_FILES = [
    pattern.replace("**", "folder/file.js") for pattern in PROJECT["tool"]["hatch"]["build"]["artifacts"]
]
"""A file for each pattern of what git ignores and the wheel needs."""


def list_tracked_files(*folders: str) -> list[str]:
    """Return the paths of the files that git knows or would add."""
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard", *folders)
    paths = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [path for path in paths if (ROOT / path).is_file()]


def test_the_wheel_contains_every_file_of_the_package(distributions: Distributions) -> None:
    packaged = {path.removeprefix("src/") for path in list_tracked_files("src/pileus")}

    assert packaged - names_in_wheel(distributions.wheel) == set()


def test_the_wheel_contains_the_package_its_metadata_and_files_for_operators(distributions: Distributions) -> None:
    names = names_in_wheel(distributions.wheel)
    tops = {name.partition("/")[0] for name in names}
    shared = {name.partition("/data/share/pileus/")[2] for name in names if ".data/" in name}

    assert sorted(top.rpartition(".")[2] for top in tops) == ["data", "dist-info", "pileus"]
    assert shared == {path.removeprefix("deploy/") for path in list_tracked_files("deploy")}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names_in_wheel(distributions.wheel))


def test_generated_files_are_in_the_wheel_of_a_checkout_and_of_its_sdist(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path in [*list_tracked_files("src", "deploy"), ".gitignore", "pyproject.toml", "README.md", "LICENSE"]:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    for path in GENERATED_FILES:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text("generated")

    built = build_distributions(source, tmp_path / "dist")

    expected = {path.removeprefix("src/") for path in GENERATED_FILES}
    assert "pileus/api/screens/node_modules/@novnc/novnc/folder/file.js" in expected
    assert expected - names_in_wheel(built.wheel) == set()
    assert expected - names_in_wheel(build_wheel_of_sdist(built.sdist, tmp_path / "unpacked")) == set()


def test_the_sdist_builds_the_same_wheel(distributions: Distributions, tmp_path: Path) -> None:
    rebuilt = build_wheel_of_sdist(distributions.sdist, tmp_path)

    assert rebuilt.name == distributions.wheel.name
    assert hashlib.sha256(rebuilt.read_bytes()).digest() == hashlib.sha256(distributions.wheel.read_bytes()).digest()


@pytest.mark.parametrize("version", OTHER_PYTHONS)
def test_the_smoke_tests_pass_with_the_installed_wheel(
    version: str, distributions: Distributions, tmp_path: Path
) -> None:
    environment = make_environment(tmp_path, version, "-r", "requirements-dev.lock", str(distributions.wheel))
    check_requirements(environment)
    imported = environment.run("python", "-c", "import pileus; print(pileus.__file__)", cwd=ROOT).stdout

    tests = environment.run(
        "python", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *SMOKE_TESTS, cwd=ROOT
    )

    assert imported.startswith(str(tmp_path))
    assert tests.returncode == 0, tests.stdout + tests.stderr
