"""Creates the QEMU driver for tests, with the tiny guest as an image of the catalogue."""

from importlib import resources
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from pileus.domain.catalogue import derive_public_image_id, parse_catalogue
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.settings import QemuSettings
from pileus.drivers.qemu.testing import IMAGE, QemuTestHarness, end_all_processes
from pileus.testing.conformance.harnesses import MissingRequirement, make_driver_config
from tests.guest import IMAGE as GUEST
from tests.guest.build import ensure_image
from tests.requirements import skip_unless_required

__all__ = ["CATALOGUE", "ROOMY", "SYSTEM_IMAGE_ID", "create_qemu", "end_all_processes"]
CATALOGUE = parse_catalogue((resources.files("pileus") / "catalogue.toml").read_text("utf-8"))
ROOMY = QemuSettings(cpu_ratio=64, ram_ratio=8)
SYSTEM_IMAGE_ID = derive_public_image_id(1, IMAGE)


def create_qemu(data: Path, **settings: Any) -> Qemu:
    """Create the driver in a data directory. Skips the test without QEMU."""
    harness = QemuTestHarness(Qemu)
    try:
        config = make_driver_config("qemu", data)
        driver = harness.create(replace(config, settings=replace(config.settings, **settings)))
    except MissingRequirement as problem:
        skip_unless_required(str(problem))
    if not (data / "images").exists():
        harness.provide_image(data, guest_image())
    return driver


def guest_image() -> Path:
    """Return the image of the tiny guest, built if needed."""
    GUEST.parent.mkdir(parents=True, exist_ok=True)
    return ensure_image(GUEST)
