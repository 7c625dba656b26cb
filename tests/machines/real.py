"""A server with real machines, and helpers to order machines and to log in to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from gcore import Gcore

from pileus.domain.catalogue import derive_public_image_id
from tests.servers import KEY, Server

SYSTEM = derive_public_image_id(1, "debian-12-generic-x64")
SMALL, LARGER = "g1s-shared-1-0.5", "g1-standard-2-4"
KEY_NAME = "key"
HEADERS = {"Authorization": f"APIKey {KEY}"}
SSH = 22
OPTIONS = ("--driver", "qemu", "--qemu-cpu-ratio", "32", "--qemu-ram-ratio", "4", "--image-sources", "any")
"""Options of the server."""
QUIET = (
    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "ConnectTimeout=5", "-o", "BatchMode=yes",
)  # fmt: skip
PATIENCE = 60.0
"""Seconds: real machines are slow, the more so when others run beside them."""


def until(poll: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Poll until the result is true, and return it; fail after a timeout."""
    end = time.monotonic() + seconds
    while not (result := poll()):
        assert time.monotonic() < end, f"not within {seconds} seconds"
        time.sleep(0.1)
    return result


@contextmanager
def open_web_port(client: Gcore, instance_id: str) -> Iterator[None]:
    """Let everybody reach the web server of an instance, and of all others with its security group, for a while."""
    (group, *_) = client.cloud.instances.get(instance_id=instance_id).security_groups
    group_id = client.cloud.security_groups.list(name=group.name).results[0].id
    rules = client.cloud.security_groups.rules
    rule: Any = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp"}
    created = rules.create_and_poll(group_id=group_id, **rule, port_range_min=80, port_range_max=80)
    try:
        yield
    finally:
        rules.delete_and_poll(rule_id=created.id, group_id=group_id)


@dataclass
class RealCloud:
    """A server with the QEMU driver, and a key to log in to its machines."""

    server: Server
    data: Path
    key: Path

    def client(self, *, api_key: str = KEY, cloud_project_id: int = 1) -> Gcore:
        """Return the official client, with strict validation of responses."""
        return Gcore(
            base_url=self.server.url,
            api_key=api_key,
            cloud_project_id=cloud_project_id,
            cloud_region_id=1,
            _strict_response_validation=True,
            max_retries=0,
            polling_interval_seconds=1,
        )

    def order(self, client: Gcore, name: str, **changes: Any) -> str:
        """Create an instance with the tiny guest, wait for it, and return its id."""
        fields = {"flavor": SMALL, "interfaces": [{"type": "external"}], "ssh_key_name": KEY_NAME, **changes}
        instance = client.cloud.instances.create_and_poll(
            name=name, volumes=[{"source": "image", "image_id": SYSTEM, "size": 5, "boot_index": 0}], **fields
        )
        return instance.id

    def cli(self, *arguments: str) -> str:
        """Run a command of `pileus` and return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "pileus", *arguments],
            env=os.environ | self.server.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ssh(self, instance_id: str, command: str) -> str:
        """Run a command in an instance by SSH, once that works, and return its output."""

        def attempt() -> subprocess.CompletedProcess[str] | None:
            result = self.run_by_ssh(self._login_to(instance_id), command)
            return None if result.returncode == 255 else result

        result: subprocess.CompletedProcess[str] = until(attempt)
        return result.stdout + result.stderr

    def power_off(self, instance_id: str) -> None:
        """Have the guest power off, once SSH works. Its answer may be lost: the machine ends at once."""
        self.ssh(instance_id, "sync")
        self.run_by_ssh(self._login_to(instance_id), "poweroff -f", "-o", "ServerAliveInterval=3")

    def run_by_ssh(self, login: list[str], command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run a command by the command line of SSH that logs in to an instance."""
        arguments = [login[0], "-i", str(self.key), *QUIET, *options, *login[1:], command]
        return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)

    def list_forwards(self, noun: str, resource_id: str) -> list[dict[str, Any]]:
        """Return the ports of the host that lead to an instance or to a load balancer."""
        answer = httpx.get(f"{self.server.url}/_pileus/{noun}/1/1/{resource_id}/port_forwards", headers=HEADERS)
        forwards: list[dict[str, Any]] = answer.raise_for_status().json()
        return forwards

    def _login_to(self, instance_id: str) -> list[str]:
        """Return the command line that logs in, without the process that `pileus instances ssh` is."""
        (forward,) = [forward for forward in self.list_forwards("instances", instance_id) if forward["port"] == SSH]
        return ["ssh", "-p", str(forward["host_port"]), f"root@{forward['host_address']}"]

    def status(self, client: Gcore, instance_id: str, status: str) -> None:
        """Wait until an instance has a status."""
        until(lambda: client.cloud.instances.get(instance_id=instance_id).status == status)

    def pid(self, instance_id: str) -> int:
        """Return the process id of an instance's machine."""
        return next(pid for pid, place in processes(self.data) if place.name == instance_id)


def processes(data: Path) -> list[tuple[int, Path]]:
    """Return the processes that work in a data directory, and their working directories."""
    running = []
    for entry in Path("/proc").iterdir():
        try:
            place = (entry / "cwd").readlink() if entry.name.isdigit() else None
        except OSError:
            continue
        if place and place.is_relative_to(data):
            running.append((int(entry.name), place))
    return running


def end_all(data: Path) -> None:
    """Kill all machines and the fabric."""
    for pid, _ in processes(data):
        # A process that another one has started may have ended with it.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not processes(data))
