"""Pileus without its extras: what works, and the command that installs the rest."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.packaging.distributions import ROOT, Distributions
from tests.packaging.environments import Environment, clean_variables, make_environment

# They install packages and start servers.
pytestmark = pytest.mark.timeout(300)

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
TEXTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("*.yml"),
    *(ROOT / "docs").rglob("*.md"),
    *(path for path in (ROOT / "examples").rglob("*") if path.is_file()),
    *(path for path in (ROOT / "scripts").rglob("*") if path.is_file()),
    *(ROOT / "src").rglob("*.py"),
]
INSTALL_HINT = re.compile(r"(?:(?:pip3?|pipx|uv tool|uv pip) install|uvx|uv add|pipx run)((?: [^\s`\n)]+)+)")
PACKAGE = re.compile(r"([a-z][a-z0-9-]*)(?:\[\w+\])?(?:[=<>~!].*)?")
ON_AN_INDEX = {"gcore"}
"""Packages that hints may name, besides paths. Pileus joins them when an index has it: see docs/releasing.md."""


@pytest.fixture(scope="module")
def bare(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Pileus without extras, installed from a wheel in a folder whose name has a space."""
    folder = tmp_path_factory.mktemp("bare") / "my wheels"
    folder.mkdir()
    return make_environment(folder.parent / "env", VERSION, str(shutil.copy(distributions.wheel, folder)))


@pytest.fixture(scope="module")
def with_pytest(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Pileus with the extra of tests."""
    return make_environment(tmp_path_factory.mktemp("tests") / "env", VERSION, f"{distributions.wheel}[pytest]")


def packages_named_in(text: str) -> set[str]:
    """Return the names of packages that install commands in a text get from an index."""
    words = [word.strip("'\",;") for arguments in INSTALL_HINT.findall(text) for word in arguments.split()]
    return {match[1] for word in words if (match := PACKAGE.fullmatch(word))}


def read_hint(text: str) -> str:
    """Return the install command that a message ends with. Rich wraps lines."""
    return " ".join(text.split()).partition("uv pip install")[2].partition("'")[2].partition("'")[0]


def test_help_lists_all_commands_without_the_sdk(bare: Environment, tmp_path: Path) -> None:
    finished = bare.run("pileus", "--help", cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert " serve " in finished.stdout
    assert " instances " in finished.stdout


def test_demo_without_the_sdk_shows_http_requests(bare: Environment, tmp_path: Path) -> None:
    finished = bare.run("pileus", "demo", cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert "The official SDK is not installed" in finished.stdout
    assert "curl -X PATCH" in finished.stdout
    assert "web-blue" in finished.stdout
    assert "The server has stopped" in finished.stdout
    assert read_hint(finished.stdout).endswith(".whl[sdk]")


def test_the_commands_of_resources_need_no_extra(bare: Environment, tmp_path: Path) -> None:
    explained = bare.run("pileus", "instances", "create", "--help", cwd=tmp_path)
    refused = bare.run("pileus", "instances", "list", "--url", "http://127.0.0.1:1", "--key", "1_a-key", cwd=tmp_path)

    assert (explained.returncode, "--flavor" in explained.stdout) == (0, True)
    assert (refused.returncode, "nothing answers at http://127.0.0.1:1" in refused.stderr) == (1, True)


def test_a_hint_names_the_wheel_that_has_what_is_needed(bare: Environment, tmp_path: Path) -> None:
    code = "from pileus.install_hints import install_command; print(install_command('sdk'))"
    hint = bare.run("python", "-c", code, cwd=tmp_path).stdout.strip()

    requirement = shlex.split(hint)[-1]
    assert shlex.split(hint)[:5] == ["uv", "pip", "install", "--python", str(bare.python)]
    assert Path(requirement.removesuffix("[sdk]")).is_file()

    offline = clean_variables() | {"UV_OFFLINE": "1", "UV_CONSTRAINT": str(ROOT / "requirements-dev.lock")}
    dry_run = hint.replace("uv pip install", f"{find_uv_bin()} pip install --dry-run", 1)
    planned = subprocess.run(
        ["bash", "-c", dry_run], env=offline, capture_output=True, text=True, timeout=60, check=False
    )
    assert "+ gcore==0.59." in planned.stderr, planned.stderr


def test_a_client_in_a_test_names_the_extra_of_tests(bare: Environment, tmp_path: Path) -> None:
    code = """
import pileus.testing
with pileus.testing.cloud() as cloud:
    assert cloud.operator.get("/healthz").is_success
    cloud.project.make_client()
"""
    refused = bare.run("python", "-c", code, cwd=tmp_path)

    assert refused.stderr.splitlines()[-1].startswith("ModuleNotFoundError: a client of Pileus needs the official SDK")
    assert refused.stderr.strip().endswith(".whl[pytest]'")


def test_the_first_tests_of_a_user_pass_without_a_warning(with_pytest: Environment, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "testing.md").read_text("utf-8")
    for name in ("test_instances.py", "test_asynchronous.py"):
        code = re.search(rf'^```python title="{name}"\n(.*?)^```', guide, re.MULTILINE | re.DOTALL)
        assert code is not None
        (tmp_path / name).write_text(code[1])

    finished = with_pytest.run("pytest", cwd=tmp_path)

    assert finished.returncode == 0, finished.stdout
    assert "2 passed in" in finished.stdout
    assert (finished.stderr, "warning" in finished.stdout.lower()) == ("", False)


def test_the_tests_of_the_sample_service_pass_with_the_wheel(with_pytest: Environment, tmp_path: Path) -> None:
    service = shutil.copytree(ROOT / "examples" / "python", tmp_path / "python")

    finished = with_pytest.run("python", "-m", "pytest", cwd=service)

    assert finished.returncode == 0, finished.stdout + finished.stderr
    # Without a warning.
    assert "5 passed in" in finished.stdout, finished.stdout


def test_the_conformance_suite_names_the_extra_that_it_needs(with_pytest: Environment, tmp_path: Path) -> None:
    arguments = ("--pileus-driver", "simulated", "--pyargs", "pileus.testing.conformance")

    refused = with_pytest.run("pytest", *arguments, cwd=tmp_path)

    assert refused.returncode == 4
    assert "The conformance suite needs pytest-asyncio" in refused.stderr
    assert ".whl[conformance]'" in refused.stderr


def test_an_editable_checkout_stays_editable() -> None:
    code = "from pileus.install_hints import install_command; print(install_command('sdk'))"
    hint = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shlex.split(hint)[-2:] == ["-e", f"{ROOT}[sdk]"]


def test_the_requirements_stand_in_for_a_wheel_that_is_gone(distributions: Distributions, tmp_path: Path) -> None:
    wheel = Path(shutil.copy(distributions.wheel, tmp_path))
    environment = make_environment(tmp_path / "env", VERSION, str(wheel), "pip")
    wheel.unlink()

    code = "from pileus.install_hints import install_command; print(install_command('sdk'))"

    assert environment.run("python", "-c", code, cwd=tmp_path).stdout == "pip install 'gcore==0.59.*'\n"


def test_hints_name_only_packages_that_an_index_has() -> None:
    named = {name for path in TEXTS for name in packages_named_in(path.read_text("utf-8", errors="replace"))}

    assert named == ON_AN_INDEX


@pytest.mark.parametrize(
    ("hint", "names"),
    [
        ("pip install 'pileus[sdk]'", {"pileus"}),
        ("run `uvx pileus==1.0 serve`", {"pileus", "serve"}),
        ("pipx install pileus", {"pileus"}),
        ("pip install -e 'PATH[sdk]' ./dist/pileus-0.1.0-py3-none-any.whl", set()),
        ("uv pip install --python {python}", set()),
    ],
)
def test_a_package_in_a_hint_is_recognized(hint: str, names: set[str]) -> None:
    assert packages_named_in(hint) == names
