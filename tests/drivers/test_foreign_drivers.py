"""Drivers of other packages: the one of docs/drivers.md, and the suite in the wheel that tests them."""

import json
import re
from pathlib import Path

import httpx
import pytest

from tests.drivers.packages import install_example, install_wheel, run_python, run_suite
from tests.packaging.distributions import Distributions
from tests.servers import KEY, run_server


@pytest.fixture(scope="module")
def wheel(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that the wheel of Pileus is installed in."""
    return install_wheel(distributions.wheel, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that the driver of the page is installed in."""
    return install_example(tmp_path_factory.mktemp("example"))


def test_the_wheel_contains_the_suite(wheel: Path) -> None:
    (metadata,) = wheel.glob("*.dist-info")

    assert len([*(wheel / "pileus/testing/conformance").glob("test_*.py")]) == 4
    assert "pileus = pileus.testing.pytest_plugin" in (metadata / "entry_points.txt").read_text()
    assert "Provides-Extra: conformance" in (metadata / "METADATA").read_text()


def test_the_suite_runs_from_the_wheel_in_an_empty_directory(wheel: Path, tmp_path: Path) -> None:
    run = run_suite("simulated", installed=[wheel], cwd=tmp_path)

    assert run.returncode == 0, run.stdout
    assert re.search(r"\b6\d passed, 3 skipped in\b", run.stdout), run.stdout
    assert run.stderr == ""
    assert "the driver does not implement SupportsMachineInventory" in run.stdout
    assert [*tmp_path.iterdir()] == []


def test_the_suite_says_what_a_driver_misses_on_this_host(wheel: Path, tmp_path: Path) -> None:
    run = run_suite("qemu", installed=[wheel], cwd=tmp_path, variables={"PATH": "/nowhere"})

    assert run.returncode == 0, run.stdout
    assert "needs QEMU: apt-get install qemu-system-x86 qemu-utils" in run.stdout
    assert "passed" not in run.stdout


def test_the_suite_says_that_it_needs_the_name_of_a_driver(wheel: Path, tmp_path: Path) -> None:
    run = run_suite("", installed=[wheel], cwd=tmp_path)

    assert run.returncode != 0
    assert "--pileus-driver NAME" in run.stdout


def test_the_driver_of_the_page_conforms(wheel: Path, example: Path, tmp_path: Path) -> None:
    run = run_suite("example", installed=[wheel, example], cwd=tmp_path)

    assert run.returncode == 0, run.stdout
    assert re.search(r"\b1\d passed\b", run.stdout), run.stdout
    assert "the driver does not implement SupportsVolumes" in run.stdout


def test_the_settings_of_installed_drivers_are_listed(example: Path, tmp_path: Path) -> None:
    output = run_python("-m", "pileus", "serve", "--help", installed=[example], cwd=tmp_path).stdout

    assert "Example driver:" in output
    assert "--example-directory" in output
    assert "[PILEUS_EXAMPLE_TOKEN]" in output


def test_the_settings_of_installed_drivers_are_read_from_every_source(example: Path, tmp_path: Path) -> None:
    (tmp_path / "pileus.toml").write_text('[example]\ndirectory = "from-file"\ntoken = "from-file"\n')
    options = ("-m", "pileus", "settings", "--config", "pileus.toml", "--output", "json")

    def shown(*more: str, **variables: str) -> dict[str, tuple[str, str]]:
        run = run_python(*options, *more, installed=[example], cwd=tmp_path, variables=variables)
        rows = json.loads(run.stdout)
        return {row["setting"]: (row["value"], row["from"]) for row in rows if row["setting"].startswith("example")}

    secret = ("(hidden)", "pileus.toml")
    assert shown() == {"example_directory": ("from-file", "pileus.toml"), "example_token": secret}
    assert shown(PILEUS_EXAMPLE_DIRECTORY="from-variable")["example_directory"] == (
        "from-variable",
        "PILEUS_EXAMPLE_DIRECTORY",
    )
    assert shown("--example-directory", "from-option")["example_directory"] == ("from-option", "--example-directory")


def test_a_wrong_setting_of_an_installed_driver_ends_the_start(example: Path, tmp_path: Path) -> None:
    options = ("-m", "pileus", "serve", "--driver", "example", "--example-directory", "A/B")

    run = run_python(*options, installed=[example], cwd=tmp_path)

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "pileus: --example-directory: the setting example_directory wants a name, not 'A/B'\n"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_process_of_a_server_gets_the_settings_of_an_installed_driver(
    example: Path, tmp_path: Path, workers: str
) -> None:
    options = ("--driver", "example", "--workers", workers, "--example-directory", "chosen")

    with run_server(tmp_path / "data", *options, PYTHONPATH=str(example)) as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        assert (tmp_path / "data" / "chosen").is_dir()
        assert not (tmp_path / "data" / "example-machines").exists()


def test_settings_that_cannot_be_loaded_are_reported_in_one_line(tmp_path: Path) -> None:
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pileus.driver_settings]\nbroken = nowhere.settings:Broken\n")

    run = run_python("-m", "pileus", "settings", installed=[tmp_path], cwd=tmp_path)

    assert run.returncode == 2
    assert run.stderr == (
        "pileus: The settings of a driver are wrong: nowhere.settings:Broken cannot be loaded: "
        "No module named 'nowhere'\n"
    )
    assert run_python("-m", "pileus", "--help", installed=[tmp_path], cwd=tmp_path).returncode == 0


def test_a_clock_that_was_set_is_forgotten_with_another_driver(example: Path, tmp_path: Path) -> None:
    data, headers = tmp_path / "data", {"Authorization": f"APIKey {KEY}"}
    with run_server(data) as server:
        frozen = httpx.put(f"{server.url}/_pileus/clock", json={"time": "2030-01-01", "frozen": True}, headers=headers)
    with run_server(data, "--driver", "example", PYTHONPATH=str(example)) as server:
        refused = httpx.get(f"{server.url}/_pileus/clock", headers=headers)
        key = httpx.post(f"{server.url}/cloud/v1/ssh_keys/1", json={"name": "new-key"}, headers=headers)

    assert frozen.status_code == 200
    assert (refused.status_code, "Only a simulated cloud" in refused.json()["message"]) == (403, True)
    assert not key.json()["created_at"].startswith("2030-01-01")
