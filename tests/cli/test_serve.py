"""`pileus serve`: mistakes are told in a line; a port of another's is not shared."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pileus.cli.formatting import Failure
from pileus.cli.temporary_server import Trial, trial


def serve(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PILEUS_")}
    return subprocess.run(
        [sys.executable, "-m", "pileus", "serve", *options],
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_wrong_setting_ends_it_with_one_line_and_code_2(tmp_path: Path) -> None:
    by_option = serve("--data", str(tmp_path), "--port", "http")
    by_variable = serve("--data", str(tmp_path), PILEUS_API_KEY="hunter2")

    assert (by_option.returncode, by_variable.returncode) == (2, 2)
    assert by_option.stderr == "pileus: --port: the setting port wants a whole number from 1 to 65535, not 'http'\n"
    assert by_variable.stderr.startswith("pileus: PILEUS_API_KEY: the setting api_key wants digits")
    assert "hunter2" not in by_variable.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_told_in_one_line(lent: Trial, tmp_path: Path) -> None:
    port = lent.url.rpartition(":")[2]

    ended = serve("--data", str(tmp_path), "--port", port)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"pileus: Port {port} on 127.0.0.1 is taken")
    assert ended.stderr.count("\n") == 1


def test_a_server_for_a_while_leaves_nothing_behind() -> None:
    with trial("--simulated-time", "realistic") as found:
        answer = httpx.get(f"{found.url}/readyz")

    assert answer.is_success
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{found.url}/readyz")


def test_a_server_that_cannot_start_says_why() -> None:
    with pytest.raises(Failure, match="the setting driver wants the name of a driver"), trial("--driver", ""):
        pass
