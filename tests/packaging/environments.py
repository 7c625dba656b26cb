"""Clean virtual environments: the interpreter, what is installed, and nothing of this checkout."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from uv import find_uv_bin

from tests.packaging.distributions import ROOT

FOREIGN_VARIABLES = ("PILEUS_", "GCORE_", "PYTHON", "PYTEST", "COV_", "VIRTUAL_ENV")
"""Variables that would let the checkout, or a server of the user, into an environment."""
UNREACHABLE = ("Failed to fetch", "error sending request", "dns error", "Network connectivity is disabled")


class Environment(NamedTuple):
    """A virtual environment."""

    home: Path

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.home / "bin" / "python"

    def run(
        self, *command: str, cwd: Path, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, as in a shell that has activated it."""
        environment = clean_variables() | {"PATH": f"{self.home / 'bin'}:{os.environ['PATH']}"} | dict(variables or {})
        return subprocess.run(
            [str(self.home / "bin" / command[0]), *command[1:]],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )


def clean_variables() -> dict[str, str]:
    """Return the variables of a user who has nothing of this checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_VARIABLES)}


def make_environment(home: Path, version: str, *requirements: str) -> Environment:
    """Create an environment and install into it, with the locked versions of what is required.

    Skips the test without that Python, or without an index and the files in the cache. CI has an index.
    """
    interpreter = find_interpreter(version)
    if interpreter is None:
        pytest.skip(f"Python {version} is not installed")
    _run_uv("venv", "--python", interpreter, str(home), check=True)
    arguments = ("pip", "install", "--python", str(home), "--constraints", "requirements-dev.lock", *requirements)
    if _run_uv(*arguments, "--offline").returncode:
        failure = _run_uv(*arguments)
        if failure.returncode and any(text in failure.stderr for text in UNREACHABLE) and "CI" not in os.environ:
            pytest.skip("the package index cannot be reached")
        assert failure.returncode == 0, failure.stderr
    return Environment(home)


def check_requirements(environment: Environment) -> None:
    """Check that what is installed fits together."""
    _run_uv("pip", "check", "--python", str(environment.home), check=True)


def find_interpreter(version: str) -> str | None:
    """Return an installed Python; the shims of pyenv do not tell which versions there are."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [*sorted(pyenv.glob(f"versions/{version}.*/bin")), os.environ["PATH"]]
    search_path = os.pathsep.join(map(str, folders))
    search = _run_uv("python", "find", "--system", "--no-python-downloads", version, PATH=search_path)
    return search.stdout.strip() if search.returncode == 0 else None


def _run_uv(*arguments: str, check: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find_uv_bin(), "--no-config", *arguments],
        cwd=ROOT,
        env=clean_variables() | variables,
        capture_output=True,
        text=True,
        timeout=110,
        check=check,
    )
