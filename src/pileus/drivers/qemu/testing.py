"""Set-up of the QEMU driver for the conformance suite."""

import shutil
from pathlib import Path

from msgspec.structs import replace

from pileus.domain.catalogue import derive_public_image_id
from pileus.drivers.protocols.config import DriverConfig
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.programs import find_programs
from pileus.drivers.qemu.settings import QemuSettings
from pileus.testing.conformance.harnesses import DriverTestHarness, MissingRequirement

IMAGE = "debian-12-generic-x64"
PATIENCE = 1.0
"""Seconds that a machine gets to shut down: most machines of the suite have no system that could."""


class QemuTestHarness(DriverTestHarness):
    """Many machines run at once on a small host, and their processes have to be ended."""

    def create(self, config: DriverConfig[QemuSettings]) -> Qemu:
        """Create the driver with room for many machines. Raises Unavailable without QEMU."""
        if not shutil.which("qemu-system-x86_64"):
            raise MissingRequirement("needs QEMU: apt-get install qemu-system-x86 qemu-utils")
        return Qemu(
            config.data,
            find_programs(config.settings.accelerator, config.settings),
            config.catalogue,
            settings=replace(config.settings, cpu_ratio=64, ram_ratio=8),
            download_limits=config.download_limits,
            patience=PATIENCE,
        )

    def provide_image(self, data: Path, image: Path | None) -> str:
        """Put the image into the directory that the driver reads images from."""
        if image is None:
            raise MissingRequirement("needs a system to boot: --pileus-image FILE, such as scripts/tiny-guest builds")
        images = data / "images"
        images.mkdir(exist_ok=True)
        (images / f"{IMAGE}.qcow2").symlink_to(image)
        return derive_public_image_id(1, IMAGE)

    async def clean_up(self, driver: Qemu) -> None:
        """Delete all machines, end the processes of the driver, and close it."""
        await end_all_processes(driver)
        driver.close()


async def end_all_processes(driver: Qemu) -> None:
    """Delete all machines, and end the other processes of the driver."""
    for load_balancer_id in driver.haproxy.records.by_id():
        await driver.ensure_no_load_balancer(load_balancer_id)
    for share_id in driver.file_shares.records.by_id():
        await driver.ensure_no_file_share(share_id)
    for machine_id in driver.records.by_id():
        await driver.ensure_no_machine(machine_id)
    for child in driver.control.children.by_name.values():
        child.terminate()
        child.wait(10)
