"""Fixtures for tests of the QEMU driver: the driver, the fabric, and machines with the tiny guest."""

import asyncio
import ctypes.util
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.domain.catalogue import derive_external_network_id
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.fabric.fabric import Fabric
from tests.drivers.qemu.drivers import SYSTEM_IMAGE_ID, create_qemu, end_all_processes
from tests.drivers.qemu.nics import FakeNic, a_state, require_libslirp
from tests.guest import READY
from tests.requirements import skip_unless_required

PUBLIC = derive_external_network_id(1, "pub_net")


@pytest.fixture
async def qemu(data: Path) -> AsyncIterator[Qemu]:
    """The driver; its machines and its fabric are ended after the test."""
    driver: Qemu = create_qemu(data)
    yield driver
    await end_all_processes(driver)
    driver.close()


@pytest.fixture
async def site(qemu: Qemu, tmp_path: Path) -> AsyncIterator[Any]:
    """A network without guests for load balancers; guests that the test adds are ended after it."""
    from tests.drivers.qemu.balanced import Site  # noqa: PLC0415  # that module imports this one

    if obstacle := await qemu.find_load_balancer_obstacle():
        skip_unless_required(obstacle)
    if not shutil.which("curl"):
        skip_unless_required("needs apt-get install curl")
    new_site = Site(qemu, tmp_path)
    await new_site.create_network()
    yield new_site
    for guest in new_site.guests:
        guest.end()


@pytest.fixture
async def shares(qemu: Qemu, tmp_path: Path) -> AsyncIterator[Any]:
    """A network without guests for file shares; guests and clients that the test adds are ended after it."""
    from tests.drivers.qemu.shared import SharedSite  # noqa: PLC0415  # that module imports this one

    if obstacle := await qemu.find_file_share_obstacle("standard"):
        skip_unless_required(obstacle)
    if os.geteuid() or not ctypes.util.find_library("nfs"):
        skip_unless_required("needs root, for guests that are network namespaces, and apt-get install libnfs-utils")
    new_site = SharedSite(qemu, tmp_path)
    await new_site.create_network()
    yield new_site
    for client in new_site.clients:
        client.end()
    for guest in new_site.guests:
        guest.end()


@pytest.fixture
async def fabric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fabric]:
    """A fabric with the networks of `a_state`."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("wires")  # noqa: PTH102  # names, not paths
    os.mkdir("md")  # noqa: PTH102  # a name, not a path
    running_fabric = Fabric(require_libslirp())
    await running_fabric.apply(a_state())
    yield running_fabric
    running_fabric.close()


@pytest.fixture
def nics(fabric: Fabric) -> Iterator[dict[str, FakeNic]]:
    """The guests' ends of its ports, by port id."""
    nics_by_port = {port_id: FakeNic(port.nic) for port_id, port in fabric.switch.ports.items()}
    yield nics_by_port
    for nic in nics_by_port.values():
        nic.wire.close()


def a_disk(**changes: Any) -> DiskSpec:
    """Return a blank volume of 1 GiB."""
    return DiskSpec(**{"id": str(uuid.uuid4()), "size": 1, "type_name": "standard", **changes})


def a_nic(**changes: Any) -> NicSpec:
    """Return an interface in the public network."""
    fields = {"port_id": str(uuid.uuid4()), "network_id": PUBLIC, "mac_address": "fa:16:3e:00:00:01"}
    return NicSpec(**{**fields, "addresses": ["198.18.0.50"], **changes})


def a_machine(**changes: Any) -> MachineSpec:
    """Return a small machine without disks and interfaces."""
    fields = {"id": str(uuid.uuid4()), "name": "web", "flavor_id": "small", "vcpus": 1, "ram": 256}
    return MachineSpec(**{**fields, **changes})


async def a_system(qemu: Qemu, **changes: Any) -> MachineSpec:
    """Start a machine with the tiny guest and wait until it is up."""
    disk = a_disk(image_id=SYSTEM_IMAGE_ID, boot_index=0)
    await qemu.ensure_volume(disk)
    machine = a_machine(disks=[disk], **changes)
    await qemu.ensure_running_machine(machine)
    await until(lambda: up(qemu, machine.id))
    return machine


async def up(qemu: Qemu, machine_id: str) -> bool:
    """Return whether the tiny guest has reported that it is up."""
    return READY in await qemu.read_serial_log_end(machine_id, 1 << 20)


async def until(poll: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """Poll until the result is true, and return it."""
    async with asyncio.timeout(seconds):
        while not (result := await poll()):  # noqa: ASYNC110  # nothing signals the change
            await asyncio.sleep(0.05)
    return result


async def status_of(qemu: Qemu, machine_id: str) -> str | None:
    """Return the observed status of a machine."""
    return {observed.machine_id: observed.status async for observed in qemu.observe()}.get(machine_id)
