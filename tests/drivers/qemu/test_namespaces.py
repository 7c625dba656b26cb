"""Test what load balancers and file shares have in common: programs in network namespaces."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pileus.drivers.qemu.haproxy.programs import HaproxyPrograms
from pileus.drivers.qemu.namespaces.runner import GO, SETTINGS
from tests.drivers.qemu.conftest import until
from tests.drivers.qemu.shared import has_ended


@pytest.fixture
def programs() -> HaproxyPrograms:
    """The programs of a host that has network namespaces."""
    host_programs = HaproxyPrograms(is_root=os.geteuid() == 0)
    if obstacle := host_programs.find_namespace_obstacle():
        pytest.skip(obstacle)
    return host_programs


def run_script(programs: HaproxyPrograms, folder: Path, script: str, order: bytes) -> int:
    """Run a shell script in a network namespace, as the server does that gives an order, and return the exit code."""
    settings: dict[str, Any] = {"command": ["sh", "-c", script], "cwd": str(folder), "devices": {}}
    text = json.dumps({**settings, "tap_socket": "tap.sock", "fabric_uid": None})
    (folder / SETTINGS).write_text(text, "utf-8")
    command = programs.runner_command(str(folder))
    return subprocess.run(command, input=order, check=False, env=programs.environment).returncode


@pytest.mark.parametrize(("order", "exit_code"), [(GO, 0), (b"", 1)])
def test_a_program_begins_when_the_server_has_saved_its_number(
    programs: HaproxyPrograms, tmp_path: Path, order: bytes, exit_code: int
) -> None:
    assert run_script(programs, tmp_path, "touch begun", order) == exit_code
    assert (tmp_path / "begun").exists() == (order == GO)


async def test_a_program_ends_with_its_runner_from_the_beginning(programs: HaproxyPrograms, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    run_script(programs, tmp_path, f"echo $$ >id; kill -9 $PPID; read line <{gate}", GO)
    process_id = int((tmp_path / "id").read_text("utf-8"))
    try:
        await until(lambda: has_ended(process_id), seconds=20)
    finally:
        os.close(os.open(gate, os.O_RDWR))
