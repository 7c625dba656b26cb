"""A cloud of real machines, and what a person does with it: order a machine, and log in."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcore import Gcore

from pileus.domain.catalogue import image_id
from tests.servers import KEY, Server

SYSTEM = image_id(1, "debian-12-generic-x64")
SMALL, LARGER = "g1s-shared-1-0.5", "g1-standard-2-4"
KEY_NAME = "key"
OPTIONS = ("--driver", "qemu", "--qemu-cpu-ratio", "32", "--qemu-ram-ratio", "4", "--image-sources", "any")
"""Of the server."""
QUIET = (
    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "ConnectTimeout=5", "-o", "BatchMode=yes",
)  # fmt: skip
PATIENCE = 60.0
"""Seconds: real machines take their time, and more of it when others run beside them."""


def until(found: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What is found in the end, looked for again and again; the test fails if it does not come."""
    end = time.monotonic() + patience
    while not (thing := found()):
        assert time.monotonic() < end, f"not within {patience} seconds"
        time.sleep(0.1)
    return thing


@dataclass
class Real:
    """A server with the QEMU driver, its client, and a key that opens its machines."""

    server: Server
    data: Path
    key: Path

    def client(self) -> Gcore:
        """The official client, strict about what it is answered."""
        return Gcore(
            base_url=self.server.url,
            api_key=KEY,
            cloud_project_id=1,
            cloud_region_id=1,
            _strict_response_validation=True,
            max_retries=0,
            polling_interval_seconds=1,
        )

    def order(self, client: Gcore, name: str, **more: Any) -> str:
        """Order a machine that boots the tiny guest, and wait until it is made; its id."""
        wanted = {"flavor": SMALL, "interfaces": [{"type": "external"}], "ssh_key_name": KEY_NAME, **more}
        made = client.cloud.instances.create_and_poll(
            name=name, volumes=[{"source": "image", "image_id": SYSTEM, "size": 5, "boot_index": 0}], **wanted
        )
        return made.id

    def cli(self, *arguments: str) -> str:
        """What a command of ours prints."""
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
        """What a command prints inside of a machine, once one can log in; by the command line that ours prints."""
        login = self.cli("instances", "ssh", instance_id, "--user", "root").split()

        def tried() -> subprocess.CompletedProcess[str] | None:
            whole = [login[0], "-i", str(self.key), *QUIET, *login[1:], command]
            done = subprocess.run(whole, capture_output=True, text=True, check=False, timeout=60)
            return None if done.returncode == 255 else done

        done: subprocess.CompletedProcess[str] = until(tried)
        return done.stdout + done.stderr

    def status(self, client: Gcore, instance_id: str, status: str) -> None:
        """Wait until an instance has a status."""
        until(lambda: client.cloud.instances.get(instance_id=instance_id).status == status)

    def pid(self, instance_id: str) -> int:
        """The process of a machine."""
        return next(pid for pid, place in processes(self.data) if place.name == instance_id)


def processes(data: Path) -> list[tuple[int, Path]]:
    """The processes that work in a data directory, and where in it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            place = (entry / "cwd").readlink() if entry.name.isdigit() else None
        except OSError:
            continue
        if place and place.is_relative_to(data):
            found.append((int(entry.name), place))
    return found


def end_all(data: Path) -> None:
    """End machines and their network, as nobody will need them any more."""
    for pid, _ in processes(data):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not processes(data))
