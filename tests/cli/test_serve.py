"""`pileus serve`: errors are printed in one line, and a port in use is not shared."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pileus.cli.commands import CommandError
from pileus.cli.temporary_server import TemporaryServer, run_temporary_server


def serve(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PILEUS_")}
    return subprocess.run(
        [sys.executable, "-m", "pileus", "serve", *options],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_invalid_setting_exits_with_one_line_and_code_2(tmp_path: Path) -> None:
    by_option = serve("--data", str(tmp_path), "--port", "http")
    by_variable = serve("--data", str(tmp_path), PILEUS_API_KEY="hunter2")

    assert (by_option.returncode, by_variable.returncode) == (2, 2)
    assert by_option.stderr == "pileus: --port: the setting port wants a whole number from 1 to 65535, not 'http'\n"
    assert by_variable.stderr.startswith("pileus: PILEUS_API_KEY: the setting api_key wants digits")
    assert "hunter2" not in by_variable.stderr
    assert list(tmp_path.iterdir()) == []


def test_port_in_use_is_reported_in_one_line(server: TemporaryServer, tmp_path: Path) -> None:
    port = server.url.rpartition(":")[2]

    finished = serve("--data", str(tmp_path), "--port", port)

    assert finished.returncode == 1
    assert finished.stderr.startswith(f"pileus: Port {port} on 127.0.0.1 is taken")
    assert finished.stderr.count("\n") == 1


def test_temporary_server_is_stopped_at_the_end() -> None:
    with run_temporary_server("--simulated-time", "realistic") as temporary:
        answer = httpx.get(f"{temporary.url}/readyz")

    assert answer.is_success
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{temporary.url}/readyz")


def test_failed_start_is_reported_with_its_reason() -> None:
    with (
        pytest.raises(CommandError, match="the setting driver wants the name of a driver"),
        run_temporary_server("--driver", ""),
    ):
        pass
