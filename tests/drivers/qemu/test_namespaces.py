"""Test what load balancers and file shares have in common: programs in network namespaces."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.haproxy.programs import HaproxyPrograms
from pileus.drivers.qemu.namespaces.restarts import Restarts
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


async def test_a_start_that_fails_waits_after_its_end_and_the_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    restarts = Restarts("file share")

    async def start_again(name: str) -> None:
        started.append(name)
        # The attempt takes longer than the pause.
        monkeypatch.setattr("pileus.drivers.qemu.namespaces.restarts.RETRY_INTERVAL", 60.0)
        raise DriverError("It does not start", retryable=True)

    monkeypatch.setattr("pileus.drivers.qemu.namespaces.restarts.RETRY_INTERVAL", 0.0)
    for ended_ids in (["one"], ["one", "two"]):
        await restarts.restart_ended(ended_ids, start_again)

    assert started == ["one", "two"]


def test_a_host_with_an_obstacle_is_probed_again_only_after_some_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    provide_programs(tmp_path, monkeypatch, f"#!/bin/sh\necho probed >>{log}\necho version 1.0\n")
    programs, impatient = HaproxyPrograms(is_root=True), HaproxyPrograms(is_root=True)
    with ThreadPoolExecutor(4) as threads:
        obstacles = set(threads.map(lambda _: programs.find_obstacle(), range(8)))
    first_count = len(log.read_text("utf-8").splitlines())
    monkeypatch.setattr("pileus.drivers.qemu.namespaces.programs.RETRY_INTERVAL", 0.0)
    obstacles |= {impatient.find_obstacle() for _ in range(2)}

    assert obstacles == {"Load balancers need HAProxy 2.6 or later, not version 1.0"}
    assert (first_count, len(log.read_text("utf-8").splitlines())) == (1, 3)


@pytest.mark.parametrize("text", ["#!/nowhere\n", "#!/bin/sh\nread line </dev/zero\n"])
def test_a_program_that_cannot_be_probed_is_an_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("pileus.drivers.qemu.namespaces.programs.PROBE_TIMEOUT", 0.1)
    provide_programs(tmp_path, monkeypatch, text)

    assert "HAProxy 2.6" in str(HaproxyPrograms(is_root=True).find_obstacle())


def provide_programs(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Provide the programs that load balancers need, all with the same text, and no others."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("pileus.drivers.qemu.namespaces.programs.SYSTEM_PATHS", str(folder))
    for name in ("haproxy", "ip"):
        (folder / name).write_text(text, "utf-8")
        (folder / name).chmod(0o700)


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
