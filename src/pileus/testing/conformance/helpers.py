"""Builders of machines and disks, and what several tests of the suite do."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pileus.domain.compute.instances import FirstBootData, Status
from pileus.drivers.protocols.compute import Compute, Machine
from pileus.drivers.protocols.storage import Disk, Volumes

SECRET = "a-password-nobody-may-find"  # noqa: S105  # made up
HOUR = 3_600_000_000
STATES = [Status.ACTIVE, Status.SHUTOFF, Status.SUSPENDED]


def require(driver: Compute, ability: Any) -> Any:
    """Return the driver as one with an ability; skips the test if it does not have it."""
    if not isinstance(driver, ability):
        pytest.skip(f"the driver does not implement {ability.__name__}")
    return driver


async def twice(verb: Callable[..., Awaitable[None]], *values: Any, **named: Any) -> None:
    """Call a verb twice: the second call must not fail."""
    await verb(*values, **named)
    await verb(*values, **named)


def new_machine(**changes: Any) -> Machine:
    """Return a machine without volumes and interfaces."""
    fields = {"id": str(uuid.uuid4()), "name": "web", "flavor_id": "g1-standard-1-2", "vcpus": 1, "ram": 2048}
    return Machine(**{**fields, "boot": FirstBootData(password=SECRET), **changes})


def new_disk(**changes: Any) -> Disk:
    """Return a blank volume."""
    return Disk(**{"id": str(uuid.uuid4()), "size": 5, "type_name": "standard", "device": "/dev/vdb", **changes})


async def run_system(driver: Compute, image_id: str | None) -> Machine:
    """Run a machine with an operating system, if the driver's machines are real."""
    if image_id is None:
        machine = new_machine()
    else:
        disk = new_disk(size=1, image_id=image_id, boot_index=0)
        await require(driver, Volumes).ensure_volume(disk)
        machine = new_machine(ram=256, disks=[disk])
    await driver.ensure_running(machine)
    return machine


async def statuses(driver: Compute) -> dict[str, str]:
    """Return the status of each machine by id."""
    return {machine.machine_id: machine.status async for machine in driver.observe()}


async def bring_to(driver: Compute, machine: Machine, status: str) -> None:
    """Bring a new machine to a status of `STATES`."""
    await driver.ensure_running(machine)
    if status == Status.SHUTOFF:
        await driver.ensure_stopped(machine.id)
    elif status == Status.SUSPENDED:
        await driver.ensure_suspended(machine.id)
