"""Volumes, snapshots and images as files: what stands on what, what is refused, and what a failure leaves."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread
from typing import Any

import pytest

from pileus.domain.catalogue import image_id
from pileus.domain.compute.instances import Boot
from pileus.drivers.protocols.compute import DriverError
from pileus.drivers.protocols.images import ImageSource
from pileus.drivers.qemu import arguments
from pileus.drivers.qemu.driver import Qemu
from tests.drivers.conformance import DRIVERS, end_machines
from tests.drivers.qemu.conftest import a_disk, a_machine, a_nic, a_system, status_of, until

MIB = 1 << 20


class Quiet(SimpleHTTPRequestHandler):
    """Serves a directory."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory, and the address where its files can be fetched."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Quiet(*args, directory=str(tmp_path)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


async def fetched(_: int, __: int | None) -> None:
    return


def image_tool(*arguments: str) -> None:
    subprocess.run(["qemu-img", *arguments], check=True, capture_output=True)


def write(qemu: Qemu, volume_id: str, text: str) -> None:
    """Write at the beginning of a volume that no machine uses."""
    path = qemu.directory.volume(volume_id)
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
    """What is at the beginning of a disk."""
    raw = path.with_suffix(".read")
    image_tool("convert", "-f", "qcow2", "-O", "raw", str(path), str(raw))
    with raw.open("rb") as content:
        text = content.read(512).rstrip(b"\0").decode()
    raw.unlink()
    return text


async def test_a_snapshot_holds_what_was_there_and_outlives_its_volume(qemu: Qemu) -> None:
    disk = a_disk()
    await qemu.ensure_volume(disk)
    write(qemu, disk.id, "first")
    await qemu.ensure_snapshot("then", disk.id)
    write(qemu, disk.id, "second")

    await qemu.ensure_reverted(disk.id, "then", "request-1")
    assert read(qemu.directory.volume(disk.id)) == "first"
    write(qemu, disk.id, "third")
    await qemu.ensure_reverted(disk.id, "then", "request-1")
    assert read(qemu.directory.volume(disk.id)) == "third"

    await qemu.ensure_no_volume(disk.id)
    copy = a_disk(size=2, snapshot_id="then")
    await qemu.ensure_volume(copy)
    assert read(qemu.directory.volume(copy.id)) == "first"
    assert await qemu.qemu_img.size(qemu.directory.volume(copy.id)) == 2 << 30


async def test_a_volume_that_is_attached_is_not_reverted(qemu: Qemu) -> None:
    disk, machine = a_disk(), a_machine()
    await qemu.ensure_volume(disk)
    await qemu.ensure_snapshot("then", disk.id)
    await qemu.ensure_running(machine)
    await qemu.ensure_attached(machine.id, disk)

    with pytest.raises(DriverError, match="only a free one"):
        await qemu.ensure_reverted(disk.id, "then", "request-1")


async def test_a_disk_is_plugged_in_after_a_try_that_broke_off(qemu: Qemu) -> None:
    """As when the server was killed after QEMU had opened the file, and before it had made the device."""
    machine, disk = a_machine(), a_disk()
    await qemu.ensure_volume(disk)
    await qemu.ensure_running(machine)
    plug = arguments.disk(disk.id, 0)
    async with qemu.control.require_monitor(machine.id) as monitor:
        await monitor.do("blockdev-add", plug.backend)

    await qemu.ensure_attached(machine.id, disk)

    async with qemu.control.require_monitor(machine.id) as monitor:
        there = await monitor.do("qom-list", {"path": "/machine/peripheral"})
    assert plug.id in {each["name"] for each in there}


async def test_files_are_sparse_and_belong_to_who_runs_machines(qemu: Qemu) -> None:
    disk = a_disk(size=100)
    await qemu.ensure_volume(disk)
    told = qemu.directory.volume(disk.id).stat()

    assert told.st_blocks * 512 < MIB
    assert told.st_mode & 0o077 == 0


async def test_a_copy_of_a_disk_in_use_is_that_of_one_moment(qemu: Qemu) -> None:
    """A machine with a system runs on it; the copy boots, so it was whole."""
    machine = await a_system(qemu)
    volume_id = machine.disks[0].id

    await qemu.ensure_snapshot("running", volume_id)
    kept = await qemu.ensure_image("from-it", ImageSource(volume_id=volume_id), fetched)

    image_tool("check", "-f", "qcow2", str(qemu.directory.snapshot("running")))
    image_tool("check", "-f", "qcow2", str(qemu.directory.image("from-it")))
    assert kept.virtual_size == 1 << 30
    assert kept.disk_format == "qcow2"
    async with qemu.control.monitor(machine.id) as monitor:
        assert await monitor.do("query-jobs") == []


async def test_an_image_is_fetched_checked_and_stood_on(qemu: Qemu, shelf: tuple[Path, str]) -> None:
    folder, address = shelf
    image_tool("create", "-f", "qcow2", str(folder / "good.qcow2"), "3G")
    kept = await qemu.ensure_image("good", ImageSource(url=f"{address}/good.qcow2"), fetched)
    disk = a_disk(size=5, image_id="good")
    await qemu.ensure_volume(disk)

    assert (kept.disk_format, kept.virtual_size) == ("qcow2", 3 << 30)
    assert await qemu.qemu_img.size(qemu.directory.volume(disk.id)) == 5 << 30
    await qemu.ensure_no_image("good")
    assert qemu.directory.image("good").exists()
    assert read(qemu.directory.volume(disk.id)) == ""
    await qemu.ensure_no_volume(disk.id)
    assert not qemu.directory.image("good").exists()


async def test_a_volume_smaller_than_its_image_is_refused_and_leaves_nothing(
    qemu: Qemu, shelf: tuple[Path, str]
) -> None:
    folder, address = shelf
    image_tool("create", "-f", "qcow2", str(folder / "large.qcow2"), "5G")
    await qemu.ensure_image("large", ImageSource(url=f"{address}/large.qcow2"), fetched)
    disk = a_disk(size=4, image_id="large")

    with pytest.raises(DriverError, match=r"has 5 GiB, and does not fit into 4: an image's `min_disk`"):
        await qemu.ensure_volume(disk)
    assert list(qemu.directory.volumes.iterdir()) == []


async def test_an_operators_file_is_what_its_name_says(qemu: Qemu, home: Path) -> None:
    (home / "images" / "ubuntu-24.04-x64.qcow2").write_text("a page that says: not found")

    with pytest.raises(DriverError, match=r"ubuntu-24.04-x64\.qcow2 is no qcow2 image"):
        await qemu.ensure_volume(a_disk(size=5, image_id=image_id(1, "ubuntu-24.04-x64")))
    assert list(qemu.directory.images.iterdir()) == []


async def test_images_that_are_not_to_be_trusted_are_refused_and_leave_nothing(
    qemu: Qemu, shelf: tuple[Path, str]
) -> None:
    folder, address = shelf
    image_tool("create", "-f", "raw", str(folder / "base.raw"), "1M")
    image_tool("create", "-f", "qcow2", "-b", str(folder / "base.raw"), "-F", "raw", str(folder / "backed.qcow2"))
    image_tool("create", "-f", "vmdk", str(folder / "other.vmdk"), "1M")
    image_tool("create", "-f", "qcow2", str(folder / "broken.qcow2"), "1G")
    with (folder / "broken.qcow2").open("r+b") as broken:
        broken.seek(0x10000)
        broken.write(os.urandom(4096))

    for name, why in (("backed.qcow2", "refers to another"), ("other.vmdk", "not vmdk"), ("broken.qcow2", "qemu-img")):
        with pytest.raises(DriverError, match=why):
            await qemu.ensure_image("bad", ImageSource(url=f"{address}/{name}"), fetched)
    assert list(qemu.directory.images.iterdir()) == []


async def test_a_raw_image_stays_raw_whatever_its_disk_comes_to_hold(qemu: Qemu, shelf: tuple[Path, str]) -> None:
    """A guest that writes the head of a qcow2 image on its disk, with a file of the host behind it, gains nothing."""
    folder, address = shelf
    (folder / "disk.raw").write_bytes(bytes(MIB))
    await qemu.ensure_image("raw", ImageSource(url=f"{address}/disk.raw"), fetched)
    disk = a_disk(image_id="raw")
    await qemu.ensure_volume(disk)
    write(qemu, disk.id, "QFI\xfb")

    await qemu.ensure_snapshot("kept", disk.id)
    kept = await qemu.ensure_image("copy", ImageSource(volume_id=disk.id), fetched)

    assert kept.disk_format == "qcow2"
    assert read(qemu.directory.image("copy")).startswith("QFI")


@pytest.fixture
def small(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory on a file system of 16 MiB, or as many as the test says."""
    size = getattr(request, "param", "16m")
    folder = Path(mkdtemp(prefix="pileus-"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False).returncode:
        folder.rmdir()
        pytest.skip("needs the right to mount a small file system")
    folder.chmod(0o755)
    (folder / "data").mkdir()
    yield folder / "data"
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


async def copies(driver: Qemu, volume_id: str) -> None:
    """More images of a volume than there is room for."""
    for number in range(4):
        await driver.ensure_image(f"copy-{number}", ImageSource(volume_id=volume_id), fetched)


async def test_a_full_disk_is_said_and_nothing_half_done_is_left(small: Path, shelf: tuple[Path, str]) -> None:
    folder, address = shelf
    (folder / "large.raw").write_bytes(os.urandom(24 * MIB))
    (folder / "fits.raw").write_bytes(os.urandom(6 * MIB))
    driver: Qemu = DRIVERS["qemu"].create(small)
    try:
        with pytest.raises(DriverError, match="could not be kept: No space left"):
            await driver.ensure_image("large", ImageSource(url=f"{address}/large.raw"), fetched)
        assert list(driver.directory.images.iterdir()) == []

        await driver.ensure_image("fits", ImageSource(url=f"{address}/fits.raw"), fetched)
        disk = a_disk(image_id="fits")
        await driver.ensure_volume(disk)
        with pytest.raises(DriverError, match="disk is full"):
            await copies(driver, disk.id)
        assert not [file for file in driver.directory.images.iterdir() if file.suffix != ".qcow2"]
    finally:
        driver.close()


@pytest.mark.parametrize("small", ["192m"], indirect=True)
async def test_a_machine_that_writes_to_a_full_disk_is_in_error_and_goes_on_when_there_is_room(small: Path) -> None:
    driver: Qemu = DRIVERS["qemu"].create(small)
    system, data = a_disk(image_id=DRIVERS["qemu"].image_id, boot_index=0), a_disk()
    script = "#!/bin/sh\ndd if=/dev/urandom of=/dev/vdb bs=1M count=64 conv=fsync && echo all written >/dev/ttyS0\n"
    machine = a_machine(disks=[system, data], nics=[a_nic()], boot=Boot(user_data=script))

    async def stands(status: str) -> bool:
        return await status_of(driver, machine.id) == status

    async def written() -> bool:
        return b"all written" in await driver.serial_log(machine.id, 1 << 20)

    try:
        for disk in (system, data):
            await driver.ensure_volume(disk)
        await driver.ensure_running(machine)
        ballast = small / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(small).free - 32 * MIB))
        await until(lambda: stands("ERROR"))
        (seen,) = [each async for each in driver.observe()]
        assert seen.reason
        assert "disk is full" in seen.reason

        ballast.unlink()
        await driver.ensure_running(machine)
        assert await status_of(driver, machine.id) == "ACTIVE"
        await until(written)
    finally:
        await end_machines(driver)
        driver.close()


async def test_machines_of_one_image_can_be_ordered_at_once_and_it_can_go_meanwhile(
    qemu: Qemu, shelf: tuple[Path, str]
) -> None:
    folder, address = shelf
    (folder / "own.raw").write_bytes(os.urandom(MIB))
    await qemu.ensure_image("own", ImageSource(url=f"{address}/own.raw"), fetched)
    offered = [a_disk(image_id=DRIVERS["qemu"].image_id) for _ in range(2)]
    own = a_disk(image_id="own")

    await asyncio.gather(*(qemu.ensure_volume(each) for each in (own, *offered)), qemu.ensure_no_image("own"))

    for disk in (own, *offered):
        await qemu.qemu_img.check(qemu.directory.volume(disk.id), "qcow2")
    assert qemu.directory.image("own").exists()
    await qemu.ensure_no_volume(own.id)
    assert not qemu.directory.image("own").exists()
