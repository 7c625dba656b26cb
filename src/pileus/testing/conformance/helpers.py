"""Builders of machines and disks, and what several tests of the suite do."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pileus.domain.compute.instances import FirstBootData, Status
from pileus.drivers.protocols.compute import Compute, MachineSpec
from pileus.drivers.protocols.network import NetworkSpec, NicSpec, SubnetSpec, SupportsNetworks
from pileus.drivers.protocols.storage import DiskSpec, SupportsVolumes

SECRET = "a-password-nobody-may-find"  # noqa: S105  # made up
HOUR = 3_600_000_000
STATES = [Status.ACTIVE, Status.SHUTOFF, Status.SUSPENDED]


def require_capability(driver: Compute, capability: Any) -> Any:
    """Return the driver as one with an ability; skips the test if it does not have it."""
    if not isinstance(driver, capability):
        pytest.skip(f"the driver does not implement {capability.__name__}")
    return driver


async def call_twice(method: Callable[..., Awaitable[None]], *values: Any, **named: Any) -> None:
    """Call a verb twice: the second call must not fail."""
    await method(*values, **named)
    await method(*values, **named)


def new_machine(**changes: Any) -> MachineSpec:
    """Return a machine without volumes and interfaces."""
    fields = {"id": str(uuid.uuid4()), "name": "web", "flavor_id": "g1-standard-1-2", "vcpus": 1, "ram": 2048}
    return MachineSpec(**{**fields, "boot": FirstBootData(password=SECRET), **changes})


def new_disk(**changes: Any) -> DiskSpec:
    """Return a blank volume."""
    return DiskSpec(**{"id": str(uuid.uuid4()), "size": 5, "type_name": "standard", "device": "/dev/vdb", **changes})


async def run_operating_system(driver: Compute, image_id: str | None) -> MachineSpec:
    """Run a machine with an operating system, if the driver's machines are real."""
    if image_id is None:
        machine = new_machine()
    else:
        disk = new_disk(size=1, image_id=image_id, boot_index=0)
        await require_capability(driver, SupportsVolumes).ensure_volume(disk)
        machine = new_machine(ram=256, disks=[disk])
    await driver.ensure_running_machine(machine)
    return machine


async def create_network_with_subnet(driver: Compute) -> str:
    """Create the network 10.0.0.0/24, if the driver has networks, and return its id."""
    network_id = str(uuid.uuid4())
    if isinstance(driver, SupportsNetworks):
        await driver.ensure_network(NetworkSpec(id=network_id, name="inside", region_id=1, type="vxlan", mtu=1450))
        subnet = SubnetSpec(
            id=str(uuid.uuid4()), network_id=network_id, cidr="10.0.0.0/24", gateway_ip="10.0.0.1", enable_dhcp=False
        )
        await driver.ensure_subnet(subnet)
    return network_id


def new_nic(network_id: str, mac_address: str, address: str) -> NicSpec:
    """Return a port of a network."""
    return NicSpec(port_id=str(uuid.uuid4()), network_id=network_id, mac_address=mac_address, addresses=[address])


async def statuses_by_machine_id(driver: Compute) -> dict[str, str]:
    """Return the status of each machine by id."""
    return {machine.machine_id: machine.status async for machine in driver.observe()}


async def create_machine_in_status(driver: Compute, machine: MachineSpec, status: str) -> None:
    """Bring a new machine to a status of `STATES`."""
    await driver.ensure_running_machine(machine)
    if status == Status.SHUTOFF:
        await driver.ensure_stopped_machine(machine.id)
    elif status == Status.SUSPENDED:
        await driver.ensure_suspended_machine(machine.id)
