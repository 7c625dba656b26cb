"""The OpenStack of this machine: what it has, and programs in its outside world."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

from pileus.drivers.openstack.cloud import OpenstackCloud
from pileus.drivers.openstack.names import MACHINE_TAG, PREFIX, engine_name
from pileus.drivers.openstack.settings import OpenstackSettings

CLOUD = "pileus"
OUTSIDE = "pileus-cable"
"""The network namespace with the gateway of the external network."""
LISTS = {
    "servers": ("compute", "/servers"),
    "volumes": ("block-storage", "/volumes"),
    "snapshots": ("block-storage", "/snapshots"),
    "ports": ("network", "/ports"),
    "networks": ("network", "/networks"),
    "routers": ("network", "/routers"),
    "floatingips": ("network", "/floatingips"),
    "loadbalancers": ("load-balancer", "/lbaas/loadbalancers"),
}


class Engine:
    """The OpenStack that clouds.yaml describes, for its administrator."""

    def __init__(self, clouds: Path) -> None:
        self.clouds = clouds
        self._cloud = OpenstackCloud(OpenstackSettings(config=str(clouds), cloud=CLOUD))

    @property
    def variables(self) -> dict[str, str]:
        """The settings of servers that use it."""
        return {
            "PILEUS_OPENSTACK_CONFIG": str(self.clouds),
            "PILEUS_OPENSTACK_CLOUD": CLOUD,
            # The other provider of this installation has no machines that balance.
            "PILEUS_OPENSTACK_LOAD_BALANCER_PROVIDER": "ovn",
        }

    def request(self, service: str, method: str, path: str, **arguments: Any) -> Any:
        """Send a request to a service. Raises DriverError."""
        return asyncio.run(self._cloud.request(service, method, path, **arguments))

    def find_all(self, kind: str, **params: str) -> list[dict[str, Any]]:
        """Return the resources of a kind."""
        service, path = LISTS[kind]
        items: list[dict[str, Any]] = self.request(service, "GET", path, params=params)[kind]
        return items

    def server_of(self, instance_id: str) -> dict[str, Any]:
        """Return the server of an instance."""
        (server,) = self.find_all("servers", tags=engine_name(instance_id))
        details: dict[str, Any] = self.request("compute", "GET", f"/servers/{server['id']}")["server"]
        return details

    def list_remaining(self) -> list[str]:
        """Return kind and name of all that is of Pileus in the project, without security groups.

        Projects keep their default group. Other projects belong to other tests.
        """
        own = asyncio.run(self._cloud.find_project_id())
        named = [
            (kind, item["description"] if kind == "floatingips" else item["name"])
            for kind in LISTS
            if kind != "servers"
            for item in self.find_all(kind)
            if item.get("project_id", own) == own
        ]
        servers = [("servers", server["name"]) for server in self.find_all("servers", tags=MACHINE_TAG)]
        return [f"{kind} {name}" for kind, name in named if (name or "").startswith(PREFIX)] + [
            f"{kind} {name}" for kind, name in servers
        ]

    def close(self) -> None:
        """Close the connections."""
        self._cloud.close()


def run_outside(*command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program in the world outside of the cloud, where floating IPs are reached."""
    words = ["ip", "netns", "exec", OUTSIDE, *command]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds)


def read_page(address: str, port: int = 80) -> str | None:
    """Return a page that a machine serves, or None if it does not answer."""
    done = run_outside("curl", "--silent", "--max-time", "3", f"http://{address}:{port}/")
    return done.stdout if done.returncode == 0 else None
