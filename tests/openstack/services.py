"""The services of the OpenStack of this machine, which tests kill and start again."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.machines.real import until

SCRIPTS = Path(__file__).parents[2] / "scripts/openstack"
PORTS = {"keystone-api": 21410, "glance-api": 21412, "neutron-api": 21413, "nova-api": 21414, "cinder-api": 21415}
MEMCACHED = 21405
START_SECONDS = 300.0


def kill_service(name: str) -> None:
    """Kill all processes of a service."""
    subprocess.run([SCRIPTS / "service", "kill", name], check=True)


def start_service(name: str) -> None:
    """Start a service, and wait until it answers, if it has an API."""
    subprocess.run([SCRIPTS / "service", "start", name], check=True)
    if name in PORTS:
        until(lambda: _answers(PORTS[name]), START_SECONDS)


def forget_tokens() -> None:
    """Let all services forget which tokens are valid, so that each asks Keystone again."""
    with socket.create_connection(("127.0.0.1", MEMCACHED), timeout=10) as connection:
        connection.sendall(b"flush_all\r\n")
        assert connection.recv(16) == b"OK\r\n"


@contextmanager
def killed_service(name: str) -> Iterator[None]:
    """Kill a service for a while."""
    kill_service(name)
    try:
        yield
    finally:
        start_service(name)


def kill_host(number: int) -> None:
    """Kill what Nova has on a host, and its machines, as a loss of power would."""
    kill_service(f"nova-compute{number}")
    listed = subprocess.run(["ip", "netns", "pids", f"pileus-host{number}"], capture_output=True, text=True, check=True)
    for pid in map(int, listed.stdout.split()):
        with suppress(OSError):
            if "qemu-system" in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)


def start_host(number: int) -> None:
    """Start Nova on a host again."""
    start_service(f"nova-compute{number}")


def set_option(file: str, name: str, value: str) -> str:
    """Change an option of a service in its configuration, for its next start; return its value before."""
    path = Path(os.environ["PILEUS_TEST_OPENSTACK"]).parent / "conf" / file
    lines = path.read_text().splitlines()
    (position,) = [number for number, line in enumerate(lines) if line.startswith(f"{name} = ")]
    before, lines[position] = lines[position].partition(" = ")[2], f"{name} = {value}"
    path.write_text("\n".join(lines) + "\n")
    return before


def _answers(port: int) -> bool:
    command = ["curl", "--silent", "--max-time", "60", "--output", "/dev/null", f"http://127.0.0.1:{port}/"]
    return subprocess.run(command, check=False).returncode == 0
