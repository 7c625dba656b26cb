"""Images of the catalogue that an earlier version imported under their former ids."""

from pathlib import Path
from uuid import uuid5

import pytest

from pileus.domain.ids import CATALOGUE, canonical_id
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.testing import IMAGE
from tests.drivers.qemu.conftest import a_disk
from tests.drivers.qemu.drivers import SYSTEM_IMAGE_ID, create_qemu
from tests.drivers.qemu.test_qemu_disks import image_tool

FORMER_ID = str(uuid5(CATALOGUE, f"image/1/{IMAGE}"))


@pytest.fixture
async def disk(qemu: Qemu) -> DiskSpec:
    """A volume that an earlier version made from an image of the catalogue."""
    disk = a_disk(image_id=SYSTEM_IMAGE_ID, size=5)
    await qemu.ensure_volume(disk)
    (file,) = qemu.directory.images.iterdir()
    former = file.rename(file.with_name(file.name.replace(SYSTEM_IMAGE_ID, FORMER_ID)))
    overlay = str(qemu.directory.volume_file(disk.id))
    image_tool("rebase", "-u", "-b", str(former), "-F", "qcow2", overlay)
    qemu.state.db.execute("UPDATE volumes SET base = ?", (former.stem,))
    return disk


def base_files(qemu: Qemu) -> set[str]:
    return {file.name[:36] for file in qemu.directory.images.iterdir()}


async def test_a_former_image_is_used_under_its_present_id_without_a_second_copy(disk: DiskSpec, data: Path) -> None:
    upgraded = create_qemu(data)
    other = a_disk(image_id=SYSTEM_IMAGE_ID, size=5)
    await upgraded.ensure_volume(other)

    assert canonical_id(FORMER_ID) == SYSTEM_IMAGE_ID
    assert base_files(upgraded) == {FORMER_ID, SYSTEM_IMAGE_ID}
    assert len({file.stat().st_ino for file in upgraded.directory.images.iterdir()}) == 1
    for volume in (disk, other):
        assert await upgraded.qemu_img.virtual_size(upgraded.directory.volume_file(volume.id)) == 5 << 30
        image_tool("check", "-q", str(upgraded.directory.volume_file(volume.id)))
    upgraded.close()


async def test_the_former_name_is_removed_with_the_last_volume_that_needs_it(disk: DiskSpec, data: Path) -> None:
    upgraded = create_qemu(data)

    await upgraded.ensure_no_volume(disk.id)

    assert base_files(upgraded) == {SYSTEM_IMAGE_ID}
    upgraded.close()
