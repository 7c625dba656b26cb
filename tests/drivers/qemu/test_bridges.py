"""Test networks on bridges of the host, which is a network namespace of the test."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.drivers.protocols.config import DriverConfig
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import NetworkSpec
from pileus.drivers.qemu.bridges import connect_bridges
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.paths import DataDirectory
from pileus.drivers.qemu.settings import QemuSettings
from pileus.drivers.qemu.users import HostUsers
from tests.drivers.qemu.drivers import CATALOGUE, create_qemu
from tests.requirements import skip_unless_required

HOST, ROUTER, FLOATING, OUTER = "198.18.0.1", "198.18.0.7", "198.18.0.60", "198.18.0.50"


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace."""
    name = f"pileus-{os.getpid()}"
    if not shutil.which("ip") or subprocess.run(["ip", "netns", "add", name], check=False).returncode:
        skip_unless_required("needs the right to make a network namespace: root, and apt-get install iproute2")
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


def run_in_namespace(namespace: str, *arguments: str) -> dict[str, Any]:
    """Run the program in a namespace and return its output."""
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, "-m", "tests.drivers.qemu.bridged", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
        # Tests of servers in this process have made its files private.
        umask=0o022,
    )
    assert done.returncode == 0, done.stderr
    output: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return output


def test_machines_on_a_bridge_are_reachable_by_their_addresses(namespace: str, data: Path) -> None:
    """Addresses of ports and floating IPs, as security groups allow; machines keep their addresses as sources."""
    create_qemu(data).close()

    output = run_in_namespace(namespace, "machines", str(data))

    assert "chmod 666 /dev/net/tun" in output.pop("shut")
    assert output == {
        "callers": [HOST, OUTER],
        f"{OUTER} 22": "SSH-2.0",
        f"{OUTER} 80": "TimeoutError",
        f"{FLOATING} 22": "SSH-2.0",
        f"{FLOATING} 80": "TimeoutError",
        f"{ROUTER} 22": "TimeoutError",
    }


def test_an_unprivileged_user_gets_devices_from_qemus_helper(namespace: str, data: Path) -> None:
    create_qemu(data).close()

    output = run_in_namespace(namespace, "helper", str(data))

    assert "takes root's rights" in output["without"]
    assert "ip tuntap add pl" in output["without"]
    assert output["with"] == ["br0", None]
    assert output["heard"]
    assert "denied" in output["denied"]


def test_only_networks_of_the_catalogue_can_be_bridged(tmp_path: Path) -> None:
    settings = QemuSettings(bridges="pub_net=br0,lab=br1")

    with pytest.raises(OSError, match="--qemu-bridges: the catalogue has no network lab; it has pub_net"):
        Qemu.create(DriverConfig(tmp_path, CATALOGUE, settings=settings))


def test_a_missing_bridge_is_named(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="no bridge br77: make it"):
        connect_bridges(
            {"net": "br77"},
            [NetworkSpec(id="n", name="net", region_id=1, type="vxlan", mtu=1450)],
            DataDirectory(tmp_path, HostUsers(QemuSettings(user="root"))),
        )
