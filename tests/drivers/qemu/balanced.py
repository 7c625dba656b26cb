"""Guests that are network namespaces, and load balancers before them: real traffic without the cost of machines."""

import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.drivers.protocols.load_balancers import (
    HealthMonitorSpec,
    L7PolicySpec,
    L7RuleSpec,
    ListenerSpec,
    LoadBalancerSpec,
    MemberSpec,
    PoolSpec,
)
from pileus.drivers.protocols.network import NetworkSpec, NicSpec, SubnetSpec
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.fabric_updates import FABRIC
from tests.drivers.qemu.conftest import until

VIP, SITE = "10.0.0.5", "http://10.0.0.5"
GUEST_PROGRAM = Path(__file__).parent / "namespace_guest.py"
USER_NAMESPACE = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
"""Without root, a network namespace needs a user namespace."""


def new_id() -> str:
    """Return a new id."""
    return str(uuid.uuid4())


def end_fabric(qemu: Qemu, patch: pytest.MonkeyPatch) -> None:
    """End the process that carries the frames, and do not wait for the next one."""
    patch.setattr("pileus.drivers.qemu.fabric_updates.START_ATTEMPTS", 0)
    fabric = qemu.control.children.by_name[FABRIC]
    fabric.kill()
    fabric.wait()


class Guest:
    """A guest that answers HTTP with its name, and from which requests are sent."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, name: str, address: str) -> None:
        self.process, self.folder, self.name, self.address = process, folder, name, address

    def start_curl(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start curl in the namespace of the guest."""
        user_namespace = ["--user", "--preserve-credentials"] if USER_NAMESPACE else []
        namespaces = ["nsenter", f"--target={self.process.pid}", "--net", *user_namespace, "--"]
        command = [*namespaces, "curl", "-s", "-m", "60", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def curl(self, *arguments: str) -> str:
        """Run curl in the namespace of the guest, and return its output."""
        output, _ = self.start_curl(*arguments).communicate()
        return output

    def get(self, url: str = f"{SITE}/", *arguments: str) -> dict[str, Any]:
        """Return what a guest has answered."""
        return dict(json.loads(self.curl(*arguments, url)))

    def status(self, url: str, *arguments: str) -> str:
        """Return the status code of an answer, and where it redirects to."""
        return self.curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", *arguments, url).strip()

    def count_names(self, count: int, *arguments: str, url: str = SITE) -> Counter[str]:
        """Count who answers so many requests."""
        answers = self.curl("-w", "\n", *arguments, f"{url}/[1-{count}]").split("\n")
        return Counter(json.loads(answer)["name"] for answer in answers if answer)

    def end(self) -> None:
        """End the guest."""
        self.process.kill()
        self.process.wait()


class Site:
    """A network with guests and load balancers."""

    def __init__(self, qemu: Qemu, folder: Path) -> None:
        self.qemu, self.folder, self.network_id = qemu, folder, new_id()
        self.guests: list[Guest] = []

    async def create_network(self) -> None:
        """Create the network."""
        await self.qemu.ensure_network(
            NetworkSpec(id=self.network_id, name="inner", region_id=1, type="vxlan", mtu=1500)
        )
        await self.qemu.ensure_subnet(
            SubnetSpec(id=new_id(), network_id=self.network_id, cidr="10.0.0.0/24", gateway_ip="10.0.0.1")
        )

    def nic(self, *addresses: str) -> NicSpec:
        """Return a port of the network without port security."""
        last = int(addresses[0].rpartition(".")[2])
        mac_address = f"fa:16:3e:00:00:{last:02x}"
        return NicSpec(
            port_id=new_id(),
            network_id=self.network_id,
            mac_address=mac_address,
            addresses=list(addresses),
            secured=False,
        )

    async def add_guest(self, name: str, *addresses: str) -> Guest:
        """Start a guest, and wait until it serves."""
        nic, folder = self.nic(*addresses), self.folder / name
        folder.mkdir()
        await self.qemu.state.ensure_interface(name, nic)
        device = {"name": "eth0", "mac": nic.mac_address, "mtu": 1500, "routes": [["0.0.0.0/0", "10.0.0.1"]]}
        device["addresses"] = [f"{address}/24" for address in addresses]
        program = [sys.executable, str(GUEST_PROGRAM), nic.port_id, json.dumps(device), name]
        command = ["unshare", *USER_NAMESPACE, "--net", "--", *program]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(  # noqa: ASYNC220  # it starts at once
                [*command, str(self.qemu.directory.wires)],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        guest = Guest(process, folder, name, addresses[0])
        self.guests.append(guest)

        async def is_up() -> bool:
            return (folder / "up").exists()

        await until(is_up)
        return guest

    def load_balancer(self, *members: Guest, **changes: Any) -> LoadBalancerSpec:
        """Return a load balancer with an HTTP listener, before these members."""
        pool = a_pool()
        return LoadBalancerSpec(
            **{
                "id": new_id(),
                "client_id": 1,
                "region_id": 1,
                "flavor_name": "lb1-1-2",
                "machine_generation": 1,
                "admin_state_up": True,
                "vip": self.nic(VIP),
                "listeners": [a_listener(default_pool_id=pool.id)],
                "pools": [pool],
                "members": [a_member(pool, guest) for guest in members],
                **changes,
            }
        )


def a_listener(**changes: Any) -> ListenerSpec:
    """Return an HTTP listener on port 80."""
    fields: dict[str, Any] = {
        "id": new_id(),
        "protocol": "HTTP",
        "protocol_port": 80,
        "admin_state_up": True,
        "connection_limit": 1000,
        "timeout_client_data": 20_000,
        "timeout_member_connect": 2_000,
        "timeout_member_data": 20_000,
    }
    return ListenerSpec(**(fields | changes))


def a_pool(**changes: Any) -> PoolSpec:
    """Return an HTTP pool with turns."""
    fields: dict[str, Any] = {
        "id": new_id(),
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "admin_state_up": True,
    }
    return PoolSpec(**(fields | changes))


def a_member(pool: PoolSpec, guest: Guest, **changes: Any) -> MemberSpec:
    """Return a member of a pool: port 80 of a guest."""
    member = MemberSpec(
        id=new_id(),
        pool_id=pool.id,
        address=guest.address,
        protocol_port=80,
        admin_state_up=True,
        weight=1,
        backup=False,
    )
    return replace(member, **changes)


def a_monitor(pool: PoolSpec, **changes: Any) -> HealthMonitorSpec:
    """Return the TCP monitor of a pool, which notices a failure after a second."""
    fields: dict[str, Any] = {
        "id": new_id(),
        "pool_id": pool.id,
        "type": "TCP",
        "admin_state_up": True,
        "delay": 1,
        "timeout": 1,
        "max_retries": 1,
        "max_retries_down": 1,
    }
    return HealthMonitorSpec(**(fields | changes))


async def three_guests(site: Site) -> tuple[Guest, Guest, Guest]:
    """Return two members and a client."""
    first = await site.add_guest("one", "10.0.0.11")
    second = await site.add_guest("two", "10.0.0.12")
    return first, second, await site.add_guest("client", "10.0.0.100", *(f"10.0.0.{last}" for last in range(101, 121)))


async def status(site: Site, balancer: LoadBalancerSpec, index: int) -> str:
    """Return the status of a member."""
    statuses = await site.qemu.member_statuses([balancer.id])
    return statuses[balancer.members[index].id]


async def until_status(site: Site, balancer: LoadBalancerSpec, index: int, expected: str) -> None:
    """Wait until a member has a status."""

    async def has_status() -> bool:
        return await status(site, balancer, index) == expected

    await until(has_status)


def a_policy(listener: ListenerSpec, position: int, **changes: Any) -> L7PolicySpec:
    """Return a policy of a listener."""
    return L7PolicySpec(id=new_id(), listener_id=listener.id, position=position, admin_state_up=True, **changes)


def a_rule(policy: L7PolicySpec, kind: str, comparison: str, value: str, **changes: Any) -> L7RuleSpec:
    """Return a rule of a policy."""
    fields: dict[str, Any] = {"type": kind, "compare_type": comparison, "value": value, **changes}
    return L7RuleSpec(id=new_id(), l7_policy_id=policy.id, admin_state_up=True, **fields)
