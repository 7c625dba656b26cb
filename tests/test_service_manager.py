"""Under systemd the server says when it is ready, alive and stopping; the units are valid."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.server.service_manager import notify_service_manager
from tests.servers import TIMEOUT, Server, spawn_server, wait_until_ready

UNITS = Path(__file__).resolve().parents[1] / "deploy"


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of the socket of systemd."""
    return str(tmp_path / "notify") if request.param == "path" else f"@pileus-test-{os.getpid()}-{tmp_path.name}"


@pytest.fixture
def manager(address: str) -> Iterator[socket.socket]:
    """The socket on which systemd receives messages."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address.replace("@", "\0", 1))
        receiver.settimeout(TIMEOUT)
        yield receiver


def messages_until(manager: socket.socket, last: str) -> list[str]:
    """Receive messages up to one."""
    messages = [""]
    while messages[-1] != last:
        messages.append(manager.recv(4096).decode())
    return messages[1:]


def variables(address: str, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": address, **more}


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_the_server_says_when_it_is_ready_and_when_it_stops(
    options: tuple[str, ...], manager: socket.socket, address: str, tmp_path: Path
) -> None:
    server = spawn_server(tmp_path / "data", *options, variables=variables(address))
    try:
        assert messages_until(manager, "READY=1") == ["READY=1"]
        wait_until_ready(server)
    finally:
        code = server.stop()

    assert messages_until(manager, "STOPPING=1") == ["STOPPING=1"]
    assert code == 0


@pytest.mark.parametrize("address", ["path"], indirect=True)
def test_the_server_pings_a_manager_that_waits_for_it(manager: socket.socket, address: str, tmp_path: Path) -> None:
    server = spawn_server(tmp_path / "data", variables=variables(address, WATCHDOG_USEC="150000"))
    try:
        messages_until(manager, "READY=1")
        pings = [manager.recv(4096) for _ in range(3)]
    finally:
        wait_until_ready(server)
        server.stop()

    assert pings == [b"WATCHDOG=1"] * 3


@pytest.mark.parametrize("address", ["path"], indirect=True)
def test_pings_for_another_process_are_not_sent(manager: socket.socket, address: str, tmp_path: Path) -> None:
    watchdog = {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    server = spawn_server(tmp_path / "data", variables=variables(address, **watchdog))
    wait_until_ready(server)
    server.stop()

    assert messages_until(manager, "STOPPING=1") == ["READY=1", "STOPPING=1"]


def test_a_manager_that_is_gone_does_not_stop_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))

    notify_service_manager("READY=1")


def test_a_closed_terminal_stops_the_server_cleanly(tmp_path: Path) -> None:
    server = spawn_server(tmp_path / "data")
    wait_until_ready(server)

    assert server.stop(signal.SIGHUP) == 0
    assert "Stopped" in server.log.read_text()


def test_nohup_keeps_the_server_running(tmp_path: Path) -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        server = spawn_server(tmp_path / "data")
    finally:
        signal.signal(signal.SIGHUP, previous)
    wait_until_ready(server)

    server.process.send_signal(signal.SIGHUP)

    assert _handles(server, signal.SIGHUP) is False
    assert server.stop() == 0


def _handles(server: Server, number: int) -> bool:
    """Return whether the process handles a signal, by the mask that the kernel shows."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (mask,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze: install systemd")
@pytest.mark.parametrize("has_machines", [False, True], ids=["simulated", "qemu"])
def test_the_units_are_valid(*, has_machines: bool, tmp_path: Path) -> None:
    units = [*UNITS.glob("*.service"), *UNITS.glob("*.timer")]
    for unit in units:
        program = Path(sys.executable).with_name("pileus")
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/pileus/bin/pileus", str(program)))
    if has_machines:
        (tmp_path / "pileus.service.d").mkdir()
        shutil.copy(UNITS / "pileus-qemu.conf", tmp_path / "pileus.service.d" / "qemu.conf")

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit.name) for unit in units)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )

    warnings = [line for line in done.stderr.splitlines() if "pileus" in line]
    assert (done.returncode, warnings) == (0, [])
