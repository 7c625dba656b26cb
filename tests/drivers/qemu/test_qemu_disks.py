"""Test volumes, snapshots and images as files: bases, refusals, and cleanup after failures."""

import asyncio
import os
import shutil
import subprocess
import uuid
from base64 import b64encode
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.catalogue import derive_public_image_id
from pileus.domain.compute.instances import FirstBootData
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import ImageSource
from pileus.drivers.qemu import arguments
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.qemu_img import QemuImg
from tests.drivers.qemu.conftest import a_disk, a_machine, a_nic, a_system, status_of, until
from tests.drivers.qemu.drivers import SYSTEM_IMAGE_ID, create_qemu, end_all_processes
from tests.requirements import skip_unless_required

MIB = 1 << 20


class Quiet(SimpleHTTPRequestHandler):
    """A quiet web server for a directory."""

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory, and the address of a web server for it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Quiet(*args, directory=str(tmp_path)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


async def report_progress(_: int, __: int | None) -> None:
    return


def image_tool(*arguments: str) -> None:
    subprocess.run(["qemu-img", *arguments], check=True, capture_output=True)


def write(qemu: Qemu, volume_id: str, text: str) -> None:
    """Write to the beginning of a detached volume."""
    path = qemu.directory.volume_file(volume_id)
    subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", f"write -q -s {_file(path, text)} 0 512", str(path)],
        check=True,
        capture_output=True,
    )


def _file(path: Path, text: str) -> Path:
    file = path.with_suffix(".text")
    file.write_bytes(text.encode().ljust(512, b"\0"))
    return file


def read(path: Path) -> str:
    """Return the text at the beginning of a disk."""
    raw = path.with_suffix(".read")
    image_tool("convert", "-f", "qcow2", "-O", "raw", str(path), str(raw))
    with raw.open("rb") as content:
        text = content.read(512).rstrip(b"\0").decode()
    raw.unlink()
    return text


async def test_a_snapshot_is_a_copy_and_outlives_its_volume(qemu: Qemu) -> None:
    disk = a_disk()
    await qemu.ensure_volume(disk)
    write(qemu, disk.id, "first")
    await qemu.ensure_snapshot("then", disk.id)
    write(qemu, disk.id, "second")

    await qemu.ensure_reverted_volume(disk.id, "then", "request-1")
    assert read(qemu.directory.volume_file(disk.id)) == "first"
    write(qemu, disk.id, "third")
    await qemu.ensure_reverted_volume(disk.id, "then", "request-1")
    assert read(qemu.directory.volume_file(disk.id)) == "third"

    await qemu.ensure_no_volume(disk.id)
    copy = a_disk(size=2, snapshot_id="then")
    await qemu.ensure_volume(copy)
    assert read(qemu.directory.volume_file(copy.id)) == "first"
    assert await qemu.qemu_img.virtual_size(qemu.directory.volume_file(copy.id)) == 2 << 30


@pytest.mark.parametrize("use", ["create", "revert"])
async def test_the_base_of_a_snapshot_that_is_deleted_stays_for_the_copy_that_is_written(
    qemu: Qemu, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    image_id, snapshot_id, new, reverted = str(uuid.uuid4()), str(uuid.uuid4()), a_disk(), a_disk()
    await qemu.ensure_volume(reverted)
    await qemu.ensure_image(image_id, ImageSource(volume_id=reverted.id), report_progress)
    await qemu.ensure_volume(original := a_disk(image_id=image_id))
    await qemu.ensure_snapshot(snapshot_id, original.id)
    await qemu.ensure_no_volume(original.id)
    await qemu.ensure_no_image(image_id)
    copy = QemuImg.copy

    async def copy_while_the_snapshot_is_deleted(self: QemuImg, *arguments: Any) -> None:
        await copy(self, *arguments)
        await qemu.ensure_no_snapshot(snapshot_id)

    monkeypatch.setattr(QemuImg, "copy", copy_while_the_snapshot_is_deleted)
    if use == "create":
        await qemu.ensure_volume(written := replace(new, snapshot_id=snapshot_id))
    else:
        await qemu.ensure_reverted_volume((written := reverted).id, snapshot_id, "request-1")

    image_tool("check", str(qemu.directory.volume_file(written.id)))
    assert qemu.directory.image_file(image_id).exists()
    await qemu.ensure_no_volume(written.id)
    assert not qemu.directory.image_file(image_id).exists()


async def test_an_attached_volume_is_not_reverted(qemu: Qemu) -> None:
    disk, machine = a_disk(), a_machine()
    await qemu.ensure_volume(disk)
    await qemu.ensure_snapshot("then", disk.id)
    await qemu.ensure_running_machine(machine)
    await qemu.ensure_volume_attachment(machine.id, disk)

    with pytest.raises(DriverError, match="only a free one"):
        await qemu.ensure_reverted_volume(disk.id, "then", "request-1")


async def test_a_disk_is_attached_after_an_interrupted_attempt(qemu: Qemu) -> None:
    """For example after the server was killed between adding the block node and adding the device."""
    machine, disk = a_machine(), a_disk()
    await qemu.ensure_volume(disk)
    await qemu.ensure_running_machine(machine)
    device = arguments.disk_device(disk.id, 0)
    async with qemu.control.require_monitor(machine.id) as monitor:
        await monitor.execute_command("blockdev-add", device.backend)

    await qemu.ensure_volume_attachment(machine.id, disk)

    async with qemu.control.require_monitor(machine.id) as monitor:
        devices = await monitor.execute_command("qom-list", {"path": "/machine/peripheral"})
    assert device.id in {device["name"] for device in devices}


async def test_volumes_are_sparse_and_private(qemu: Qemu) -> None:
    disk = a_disk(size=100)
    await qemu.ensure_volume(disk)
    status = qemu.directory.volume_file(disk.id).stat()

    assert status.st_blocks * 512 < MIB
    assert status.st_mode & 0o077 == 0


async def test_a_copy_of_a_disk_in_use_is_consistent(qemu: Qemu) -> None:
    """The copy of a running machine's disk is consistent."""
    machine = await a_system(qemu)
    volume_id = machine.disks[0].id

    await qemu.ensure_snapshot("running", volume_id)
    image = await qemu.ensure_image("from-it", ImageSource(volume_id=volume_id), report_progress)

    image_tool("check", "-f", "qcow2", str(qemu.directory.snapshot_file("running")))
    image_tool("check", "-f", "qcow2", str(qemu.directory.image_file("from-it")))
    assert image.virtual_size == 1 << 30
    assert image.disk_format == "qcow2"
    async with qemu.control.open_monitor(machine.id) as monitor:
        assert await monitor.execute_command("query-jobs") == []


async def test_an_image_is_downloaded_and_its_file_kept_while_a_volume_uses_it(
    qemu: Qemu, web_server: tuple[Path, str]
) -> None:
    folder, address = web_server
    image_tool("create", "-f", "qcow2", str(folder / "good.qcow2"), "3G")
    image = await qemu.ensure_image("good", ImageSource(url=f"{address}/good.qcow2"), report_progress)
    disk = a_disk(size=5, image_id="good")
    await qemu.ensure_volume(disk)

    assert (image.disk_format, image.virtual_size) == ("qcow2", 3 << 30)
    assert await qemu.qemu_img.virtual_size(qemu.directory.volume_file(disk.id)) == 5 << 30
    await qemu.ensure_no_image("good")
    assert qemu.directory.image_file("good").exists()
    assert read(qemu.directory.volume_file(disk.id)) == ""
    await qemu.ensure_no_volume(disk.id)
    assert not qemu.directory.image_file("good").exists()


async def test_a_volume_smaller_than_its_image_is_refused_without_leftovers(
    qemu: Qemu, web_server: tuple[Path, str]
) -> None:
    folder, address = web_server
    image_tool("create", "-f", "qcow2", str(folder / "large.qcow2"), "5G")
    await qemu.ensure_image("large", ImageSource(url=f"{address}/large.qcow2"), report_progress)
    disk = a_disk(size=4, image_id="large")

    with pytest.raises(DriverError, match=r"has 5 GiB, and does not fit into 4: an image's `min_disk`"):
        await qemu.ensure_volume(disk)
    assert list(qemu.directory.volumes.iterdir()) == []


async def test_an_operator_file_named_qcow2_must_be_qcow2(qemu: Qemu, data: Path) -> None:
    (data / "images" / "ubuntu-24.04-x64.qcow2").write_text("a page that says: not found")

    with pytest.raises(DriverError, match=r"ubuntu-24.04-x64\.qcow2 is no qcow2 image"):
        await qemu.ensure_volume(a_disk(size=5, image_id=derive_public_image_id(1, "ubuntu-24.04-x64")))
    assert list(qemu.directory.images.iterdir()) == []


async def test_untrusted_images_are_refused_without_leftovers(qemu: Qemu, web_server: tuple[Path, str]) -> None:
    folder, address = web_server
    image_tool("create", "-f", "raw", str(folder / "base.raw"), "1M")
    image_tool("create", "-f", "qcow2", "-b", str(folder / "base.raw"), "-F", "raw", str(folder / "backed.qcow2"))
    image_tool("create", "-f", "vmdk", str(folder / "other.vmdk"), "1M")
    image_tool("create", "-f", "qcow2", str(folder / "broken.qcow2"), "1G")
    with (folder / "broken.qcow2").open("r+b") as broken:
        broken.seek(0x10000)
        broken.write(os.urandom(4096))

    for name, why in (("backed.qcow2", "refers to another"), ("other.vmdk", "not vmdk"), ("broken.qcow2", "qemu-img")):
        with pytest.raises(DriverError, match=why):
            await qemu.ensure_image("bad", ImageSource(url=f"{address}/{name}"), report_progress)
    assert list(qemu.directory.images.iterdir()) == []


async def test_a_raw_image_stays_raw_whatever_is_written_to_its_disk(qemu: Qemu, web_server: tuple[Path, str]) -> None:
    """A guest that writes a qcow2 header with a backing file to its disk must not reach files of the host."""
    folder, address = web_server
    (folder / "disk.raw").write_bytes(bytes(MIB))
    await qemu.ensure_image("raw", ImageSource(url=f"{address}/disk.raw"), report_progress)
    disk = a_disk(image_id="raw")
    await qemu.ensure_volume(disk)
    write(qemu, disk.id, "QFI\xfb")

    await qemu.ensure_snapshot("kept", disk.id)
    image = await qemu.ensure_image("copy", ImageSource(volume_id=disk.id), report_progress)

    assert image.disk_format == "qcow2"
    assert read(qemu.directory.image_file("copy")).startswith("QFI")


@pytest.fixture
def small(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory on a file system of 16 MiB, or of the size in the test's parameter."""
    size = getattr(request, "param", "16m")
    folder = Path(mkdtemp(prefix="pileus-"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False).returncode:
        folder.rmdir()
        skip_unless_required("needs the right to mount a small file system")
    folder.chmod(0o755)
    (folder / "data").mkdir()
    yield folder / "data"
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


async def copies(driver: Qemu, volume_id: str) -> None:
    """Make more images of a volume than fit on the disk."""
    for number in range(4):
        await driver.ensure_image(f"copy-{number}", ImageSource(volume_id=volume_id), report_progress)


async def test_a_full_disk_is_reported_without_leftovers(small: Path, web_server: tuple[Path, str]) -> None:
    folder, address = web_server
    (folder / "large.raw").write_bytes(os.urandom(24 * MIB))
    (folder / "fits.raw").write_bytes(os.urandom(6 * MIB))
    driver: Qemu = create_qemu(small)
    try:
        with pytest.raises(DriverError, match="could not be stored: No space left"):
            await driver.ensure_image("large", ImageSource(url=f"{address}/large.raw"), report_progress)
        assert list(driver.directory.images.iterdir()) == []

        await driver.ensure_image("fits", ImageSource(url=f"{address}/fits.raw"), report_progress)
        disk = a_disk(image_id="fits")
        await driver.ensure_volume(disk)
        with pytest.raises(DriverError, match="disk is full"):
            await copies(driver, disk.id)
        assert not [file for file in driver.directory.images.iterdir() if file.suffix != ".qcow2"]
    finally:
        driver.close()


@pytest.mark.parametrize("small", ["192m"], indirect=True)
async def test_a_machine_on_a_full_disk_is_in_error_and_resumes_when_there_is_space(small: Path) -> None:
    driver: Qemu = create_qemu(small)
    system, data = a_disk(image_id=SYSTEM_IMAGE_ID, boot_index=0), a_disk()
    script = b"#!/bin/sh\ndd if=/dev/urandom of=/dev/vdb bs=1M count=64 conv=fsync && echo all written >/dev/ttyS0\n"
    machine = a_machine(disks=[system, data], nics=[a_nic()], boot=FirstBootData(user_data=b64encode(script).decode()))

    async def has_status(status: str) -> bool:
        return await status_of(driver, machine.id) == status

    async def has_written() -> bool:
        return b"all written" in await driver.read_serial_log_end(machine.id, 1 << 20)

    try:
        for disk in (system, data):
            await driver.ensure_volume(disk)
        await driver.ensure_running_machine(machine)
        ballast = small / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(small).free - 32 * MIB))
        await until(lambda: has_status("ERROR"))
        (observed,) = [machine_status async for machine_status in driver.observe()]
        assert observed.reason
        assert "disk is full" in observed.reason

        ballast.unlink()
        await driver.ensure_running_machine(machine)
        assert await status_of(driver, machine.id) == "ACTIVE"
        await until(has_written)
    finally:
        await end_all_processes(driver)
        driver.close()


async def test_volumes_of_an_image_can_be_created_while_it_is_deleted(qemu: Qemu, web_server: tuple[Path, str]) -> None:
    folder, address = web_server
    (folder / "own.raw").write_bytes(os.urandom(MIB))
    await qemu.ensure_image("own", ImageSource(url=f"{address}/own.raw"), report_progress)
    operator_disks = [a_disk(image_id=SYSTEM_IMAGE_ID) for _ in range(2)]
    tenant_disk = a_disk(image_id="own")

    await asyncio.gather(
        *(qemu.ensure_volume(disk) for disk in (tenant_disk, *operator_disks)), qemu.ensure_no_image("own")
    )

    for disk in (tenant_disk, *operator_disks):
        await qemu.qemu_img.check(qemu.directory.volume_file(disk.id), "qcow2")
    assert qemu.directory.image_file("own").exists()
    await qemu.ensure_no_volume(tenant_disk.id)
    assert not qemu.directory.image_file("own").exists()
