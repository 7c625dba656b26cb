"""A server in front of OpenStack, in a process of its own."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from gcore import Gcore

from pileus.domain.catalogue import derive_public_image_id
from tests.machines.real import QUIET, until
from tests.openstack.engine import Engine, run_outside
from tests.servers import KEY, Server, free_port, spawn_server, wait_until_ready

SYSTEM = derive_public_image_id(1, "debian-12-generic-x64")
SMALL, LARGER = "g1-standard-1-2", "g1-standard-2-4"
PATIENCE = 300.0
"""Seconds: machines without hardware support boot slowly."""


class Installation:
    """A server with a data directory, which can be stopped and started again."""

    def __init__(self, home: Path, engine: Engine) -> None:
        self.home, self.engine = home, engine
        self.port = free_port()
        self.variables = engine.variables
        self.server: Server | None = None

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def client_variables(self) -> dict[str, str]:
        """The variables of clients of the server."""
        place = {"GCORE_CLOUD_PROJECT_ID": "1", "GCORE_CLOUD_REGION_ID": "1"}
        return {"GCORE_BASE_URL": self.url, "GCORE_API_KEY": KEY, **place}

    @property
    def catalogue(self) -> Path:
        """The file of the catalogue."""
        return self.home / "catalogue.toml"

    def write_catalogue(self) -> None:
        """Write a catalogue of what OpenStack offers, and check that it lacks nothing."""
        self.catalogue.write_text(self.cli("openstack", "catalogue"))
        self.cli("openstack", "check", str(self.catalogue))

    def cli(self, *arguments: str) -> str:
        """Run a command of `pileus` as operator and as tenant, and return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "pileus", *arguments],
            env=os.environ | self.engine.variables | self.client_variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = ("--driver", "openstack", "--catalogue", str(self.catalogue))
        self.server = spawn_server(self.home / "data", *options, port=self.port, variables=self.variables)
        wait_until_ready(self.server)

    def stop(self) -> None:
        """Stop the server."""
        if self.server is not None:
            with suppress(ProcessLookupError):
                self.server.stop(signal.SIGTERM)
            self.server = None

    def client(self) -> Gcore:
        """Return the official client, with strict validation of responses."""
        return Gcore(
            base_url=self.url,
            api_key=KEY,
            cloud_project_id=1,
            cloud_region_id=1,
            _strict_response_validation=True,
            max_retries=0,
            polling_interval_seconds=1,
            polling_timeout_seconds=int(PATIENCE),
        )

    def order(self, client: Gcore, name: str, interface: dict[str, Any], **changes: Any) -> str:
        """Create an instance with the tiny guest, wait for it, and return its id."""
        fields: dict[str, Any] = {"flavor": SMALL, "interfaces": [interface], "ssh_key_name": "key", **changes}
        volume: Any = {"source": "image", "image_id": SYSTEM, "size": 1, "boot_index": 0}
        return client.cloud.instances.create_and_poll(name=name, volumes=[volume], **fields).id

    @staticmethod
    def delete(client: Gcore, instance_id: str) -> None:
        """Delete an instance with its volumes and floating IPs."""
        volumes = ",".join(volume.id for volume in client.cloud.instances.get(instance_id=instance_id).volumes)
        client.cloud.instances.delete_and_poll(instance_id=instance_id, volumes=volumes, delete_floatings=True)

    def ssh(self, address: str, command: str) -> str:
        """Run a command in a machine by SSH, once that works, and return its output."""

        def attempt() -> subprocess.CompletedProcess[str] | None:
            done = run_outside("ssh", "-i", str(self.home / "key"), *QUIET, f"root@{address}", command)
            return None if done.returncode == 255 else done

        done: subprocess.CompletedProcess[str] = until(attempt, PATIENCE)
        return done.stdout + done.stderr
