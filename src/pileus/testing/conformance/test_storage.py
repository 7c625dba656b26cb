"""Conformance of volumes, snapshots and images, if they are implemented."""

from uuid import uuid4

import pytest
from msgspec.structs import replace

from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import ImageSource, SupportsImages
from pileus.drivers.protocols.storage import (
    FileShareSpec,
    LimitsFileShares,
    ShareAccess,
    SupportsFileShares,
    SupportsSnapshots,
    SupportsVolumeResize,
    SupportsVolumeRetype,
    SupportsVolumes,
)
from pileus.testing.conformance.helpers import (
    call_twice,
    create_network_with_subnet,
    new_disk,
    new_machine,
    require_capability,
    run_operating_system,
    statuses_by_machine_id,
)
from pileus.testing.conformance.image_server import CHECKSUM, CONTENT, serve_image

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_volume_life_cycle(driver: Compute, system_image_id: str | None) -> None:
    volume_driver, machine, disk = (
        require_capability(driver, SupportsVolumes),
        await run_operating_system(driver, system_image_id),
        new_disk(),
    )

    await call_twice(volume_driver.ensure_volume, disk)
    await call_twice(volume_driver.ensure_volume_attachment, machine.id, disk)
    await call_twice(volume_driver.ensure_no_volume_attachment, machine.id, disk.id)
    await call_twice(volume_driver.ensure_no_volume, disk.id)

    with pytest.raises(DriverError):
        await volume_driver.ensure_volume_attachment(machine.id, disk)


async def test_a_volume_is_attached_to_one_machine_at_a_time(driver: Compute) -> None:
    volume_driver, machine, other, disk = (
        require_capability(driver, SupportsVolumes),
        new_machine(),
        new_machine(),
        new_disk(),
    )
    await driver.ensure_running_machine(machine)
    await driver.ensure_running_machine(other)
    await volume_driver.ensure_volume(disk)
    await volume_driver.ensure_volume_attachment(machine.id, disk)

    with pytest.raises(DriverError) as refused:
        await volume_driver.ensure_volume_attachment(other.id, disk)
    assert not refused.value.retryable

    await volume_driver.ensure_no_volume_attachment(other.id, disk.id)
    with pytest.raises(DriverError):
        await volume_driver.ensure_volume_attachment(other.id, disk)
    await driver.ensure_no_machine(machine.id)
    await volume_driver.ensure_volume_attachment(other.id, disk)


async def test_a_started_machine_has_only_the_volumes_that_it_names(driver: Compute) -> None:
    """What an interrupted or failed attachment has left behind is gone after a start."""
    volume_driver, machine, other = require_capability(driver, SupportsVolumes), new_machine(), new_machine()
    named, unnamed = new_disk(), new_disk()
    for disk in (named, unnamed):
        await volume_driver.ensure_volume(disk)
    await driver.ensure_running_machine(other)
    await driver.ensure_running_machine(machine)
    await driver.ensure_stopped_machine(machine.id)
    for disk in (named, unnamed):
        await volume_driver.ensure_volume_attachment(machine.id, disk)

    await driver.ensure_running_machine(replace(machine, disks=[named]))

    await volume_driver.ensure_volume_attachment(other.id, unnamed)
    with pytest.raises(DriverError):
        await volume_driver.ensure_volume_attachment(other.id, named)


async def test_a_refused_attachment_leaves_nothing_behind(driver: Compute) -> None:
    volume_driver, machine, other = require_capability(driver, SupportsVolumes), new_machine(), new_machine()
    disk, missing = new_disk(), new_disk()
    await volume_driver.ensure_volume(disk)
    for either in (machine, other):
        await driver.ensure_running_machine(either)
    await volume_driver.ensure_volume_attachment(machine.id, disk)

    for refused_disk in (disk, missing):
        with pytest.raises(DriverError):
            await volume_driver.ensure_volume_attachment(other.id, refused_disk)
        await call_twice(volume_driver.ensure_no_volume_attachment, other.id, refused_disk.id)

    await driver.ensure_stopped_machine(other.id)
    await driver.ensure_running_machine(other)
    await volume_driver.ensure_volume_attachment(machine.id, disk)
    assert (await statuses_by_machine_id(driver)) == {machine.id: "ACTIVE", other.id: "ACTIVE"}


async def test_a_volume_grows_shrinks_back_and_changes_its_type(driver: Compute) -> None:
    volume_driver, disk = require_capability(driver, SupportsVolumes), new_disk()
    await volume_driver.ensure_volume(disk)

    await call_twice(require_capability(driver, SupportsVolumeResize).ensure_volume_size, disk.id, 9)
    await call_twice(require_capability(driver, SupportsVolumeResize).ensure_volume_size, disk.id, 5)
    await call_twice(require_capability(driver, SupportsVolumeRetype).ensure_volume_type, disk.id, "ssd_hiiops")

    for call in (
        require_capability(driver, SupportsVolumeResize).ensure_volume_size("nobody", 9),
        require_capability(driver, SupportsVolumeRetype).ensure_volume_type("nobody", "cold"),
    ):
        with pytest.raises(DriverError):
            await call


async def test_snapshot_life_cycle(driver: Compute) -> None:
    volume_driver, snapshot_driver, disk = (
        require_capability(driver, SupportsVolumes),
        require_capability(driver, SupportsSnapshots),
        new_disk(),
    )
    await volume_driver.ensure_volume(disk)

    await call_twice(snapshot_driver.ensure_snapshot, "snapshot-1", disk.id)
    await call_twice(snapshot_driver.ensure_reverted_volume, disk.id, "snapshot-1", "request-1")
    await call_twice(snapshot_driver.ensure_no_snapshot, "snapshot-1")

    await snapshot_driver.ensure_reverted_volume(disk.id, "snapshot-1", "request-1")
    for call in (
        snapshot_driver.ensure_reverted_volume(disk.id, "snapshot-1", "request-2"),
        snapshot_driver.ensure_snapshot("snapshot-2", "nobody"),
    ):
        with pytest.raises(DriverError):
            await call


async def test_images_are_stored_from_volumes_and_from_addresses(driver: Compute) -> None:
    volume_driver, image_driver, disk = (
        require_capability(driver, SupportsVolumes),
        require_capability(driver, SupportsImages),
        new_disk(),
    )
    await volume_driver.ensure_volume(disk)
    progress: list[int] = []

    async def on_progress(size: int, _: int | None) -> None:
        progress.append(size)

    with serve_image() as address:
        for source in (ImageSource(volume_id=disk.id), ImageSource(url=f"{address}/image")):
            info = await image_driver.ensure_image("image-1", source, on_progress)
            assert await image_driver.ensure_image("image-1", source, on_progress) == info
            await call_twice(image_driver.ensure_no_image, "image-1")
        assert (info.disk_format, info.checksum) == ("raw", CHECKSUM)
        assert info.size >= len(CONTENT)
        assert progress[-1] == len(CONTENT)
        for source in (ImageSource(volume_id="nobody"), ImageSource(url=f"{address}/missing")):
            with pytest.raises(DriverError):
                await image_driver.ensure_image("image-2", source, on_progress)


async def test_file_share_life_cycle(driver: Compute) -> None:
    share_driver = require_capability(driver, SupportsFileShares)
    if isinstance(driver, LimitsFileShares) and (obstacle := await driver.find_file_share_obstacle("standard")):
        pytest.skip(obstacle)
    network_id = await create_network_with_subnet(driver)
    share = FileShareSpec(id=str(uuid4()), size=1, type_name="standard", network_id=network_id, ip_address="10.0.0.9")
    access = ShareAccess(id=str(uuid4()), file_share_id=share.id, access_to="10.0.0.0/24", access_level="rw")

    points = [await share_driver.ensure_file_share(replace(share, size=size)) for size in (1, 1, 2, 1)]
    await call_twice(share_driver.ensure_share_access, access)
    await call_twice(share_driver.ensure_share_access, replace(access, access_level="ro"))
    await call_twice(share_driver.ensure_no_share_access, share.id, access.id)
    await call_twice(share_driver.ensure_no_file_share, share.id)

    assert len(set(points)) == 1
    with pytest.raises(DriverError):
        await share_driver.ensure_share_access(access)
