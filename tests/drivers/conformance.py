"""Which drivers are held to what every driver does, and the words that the tests share."""

import shutil
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from pileus.domain.catalogue import image_id, parse_catalogue
from pileus.drivers.protocols.compute import Compute, Fetching, Hosting
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.programs import find_programs
from pileus.drivers.simulated.driver import Simulated
from tests.guest import IMAGE
from tests.guest.build import built

Made = Callable[[], Any]
ANYWHERE = Fetching(anywhere=True)
SYSTEM = "debian-12-generic-x64"
CATALOGUE = parse_catalogue((resources.files("pileus") / "catalogue.toml").read_text("utf-8"))
ROOMY = Hosting(cpu_ratio=64, ram_ratio=8)


class Kind(Struct, frozen=True):
    """A driver: how it is made in a directory, how all that it runs is ended, and the image that its machines boot."""

    create: Callable[[Path], Any]
    ended: Callable[[Any], Awaitable[None]]
    image_id: str | None = None


def _simulated(folder: Path) -> Simulated:
    return Simulated(folder / "simulated.db", fetching=ANYWHERE)


def _qemu(folder: Path) -> Qemu:
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("needs QEMU: apt-get install qemu-system-x86 qemu-utils")
    images = folder / "images"
    if not images.exists():
        IMAGE.parent.mkdir(parents=True, exist_ok=True)
        images.mkdir()
        (images / f"{SYSTEM}.qcow2").symlink_to(built(IMAGE))
    return Qemu(folder, find_programs(), CATALOGUE, hosting=ROOMY, fetching=ANYWHERE, patience=1.0)


async def _nothing(_: Any) -> None:
    return


async def end_machines(driver: Qemu) -> None:
    """Leave no process of a driver's."""
    for machine_id in driver.every():
        await driver.ensure_gone(machine_id)
    for child in driver.children.values():
        child.terminate()
        child.wait(10)


DRIVERS: dict[str, Kind] = {
    "simulated": Kind(_simulated, _nothing),
    "qemu": Kind(_qemu, end_machines, image_id(1, SYSTEM)),
}


def able(driver: Compute, ability: Any) -> Any:
    """The driver as one that has an ability; skips the test where it has it not."""
    if not isinstance(driver, ability):
        pytest.skip(f"has not the ability {ability.__name__}")
    return driver


async def twice(verb: Callable[..., Awaitable[None]], *values: Any, **named: Any) -> None:
    await verb(*values, **named)
    await verb(*values, **named)
