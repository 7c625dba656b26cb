"""The QEMU driver on a directory of its own, and a machine with the tiny guest."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.domain.catalogue import network_id
from pileus.drivers.protocols.compute import Disk, Machine, Nic
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.fabric.fabric import Fabric
from tests.drivers.conformance import DRIVERS, end_machines
from tests.drivers.qemu.nics import Card, a_state, the_library
from tests.guest import READY

PUBLIC = network_id(1, "pub_net")


@pytest.fixture
async def qemu(home: Path) -> AsyncIterator[Qemu]:
    """The driver; all that it has started is ended."""
    driver: Qemu = DRIVERS["qemu"].create(home)
    yield driver
    await end_machines(driver)
    driver.close()


@pytest.fixture
async def fabric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fabric]:
    """A fabric whose networks are wired."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("wires")  # noqa: PTH102  # names, not paths
    os.mkdir("md")  # noqa: PTH102
    made = Fabric(the_library())
    await made.apply(a_state())
    yield made
    made.close()


@pytest.fixture
def cards(fabric: Fabric) -> Iterator[dict[str, Card]]:
    """The interfaces in them, by name."""
    found = {port_id: Card(port.nic) for port_id, port in fabric.switch.ports.items()}
    yield found
    for card in found.values():
        card.wire.close()


def a_disk(**changes: Any) -> Disk:
    """A blank volume of a GiB."""
    return Disk(**{"id": str(uuid.uuid4()), "size": 1, "type_name": "standard", **changes})


def a_nic(**changes: Any) -> Nic:
    """An interface in the public network."""
    facts = {"port_id": str(uuid.uuid4()), "network_id": PUBLIC, "mac_address": "fa:16:3e:00:00:01"}
    return Nic(**{**facts, "addresses": ["198.18.0.50"], **changes})


def a_machine(**changes: Any) -> Machine:
    """A small machine without anything."""
    facts = {"id": str(uuid.uuid4()), "name": "web", "flavor_id": "small", "vcpus": 1, "ram": 256}
    return Machine(**{**facts, **changes})


async def a_system(qemu: Qemu, **changes: Any) -> Machine:
    """A machine on which the tiny guest is up."""
    disk = a_disk(image_id=DRIVERS["qemu"].image_id, boot_index=0)
    await qemu.ensure_volume(disk)
    machine = a_machine(disks=[disk], **changes)
    await qemu.ensure_running(machine)
    await until(lambda: up(qemu, machine.id))
    return machine


async def up(qemu: Qemu, machine_id: str) -> bool:
    """Whether the tiny guest has said that it is up."""
    return READY in await qemu.serial_log(machine_id, 1 << 20)


async def until(found: Callable[[], Awaitable[Any]], patience: float = 60.0) -> Any:
    """What is found in the end, looked for again and again."""
    async with asyncio.timeout(patience):
        while not (thing := await found()):  # noqa: ASYNC110  # only looking tells
            await asyncio.sleep(0.05)
    return thing


async def status_of(qemu: Qemu, machine_id: str) -> str | None:
    """How a machine stands."""
    return {seen.machine_id: seen.status async for seen in qemu.observe()}.get(machine_id)
