"""Images that unpack to more than they seem: bounds of the disk, of what is written, and of the time."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.account.quota_checks import check_no_quota_exceeded
from pileus.domain.errors import QuotaExceeded
from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import ImageSource
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.programs import find_programs
from pileus.drivers.qemu.qemu_img import QemuImg
from pileus.testing.conformance.harnesses import make_driver_config
from tests.drivers.qemu.drivers import create_qemu
from tests.drivers.qemu.test_qemu_disks import Quiet, image_tool, report_progress

MIB = 1 << 20
LIMITS = DownloadLimits(allow_private=True, max_bytes=8 * MIB, max_virtual_bytes=256 * MIB, seconds=60)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a web server with images; `bomb.qcow2` has 128 MiB of data in less than 1 MiB."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "full.raw").write_bytes(b"x" * (128 * MIB))
    image_tool("convert", "-c", "-f", "raw", "-O", "qcow2", str(folder / "full.raw"), str(folder / "bomb.qcow2"))
    image_tool("create", "-f", "qcow2", str(folder / "huge.qcow2"), "1T")
    (folder / "small.raw").write_bytes(b"x" * MIB)
    subprocess.run(["gzip", "-k", str(folder / "small.raw")], check=True)
    assert (folder / "bomb.qcow2").stat().st_size < MIB
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Quiet(*args, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
async def limited(data: Path) -> AsyncIterator[Qemu]:
    """The driver with small limits."""
    create_qemu(data).close()
    driver = make_limited_driver(data)
    yield driver
    driver.close()


def make_limited_driver(data: Path, **changes: Any) -> Qemu:
    config = make_driver_config("qemu", data)
    return Qemu(data, find_programs("tcg"), config.catalogue, download_limits=replace(LIMITS, **changes))


def files(driver: Qemu) -> list[Path]:
    return list(driver.directory.images.iterdir())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bomb.qcow2", "takes more than 8519680 bytes when it is stored"),
        ("huge.qcow2", "describes a disk of 1099511627776 bytes: at most 268435456 are allowed"),
        ("small.raw.gz", "is a gzip file: it must not be compressed"),
    ],
)
async def test_an_image_that_unpacks_to_too_much_is_refused_without_leftovers(
    limited: Qemu, images: str, name: str, reason: str
) -> None:
    with pytest.raises(DriverError, match=reason) as problem:
        await limited.ensure_image("bad", ImageSource(url=f"{images}/{name}"), report_progress)

    assert not problem.value.retryable
    assert files(limited) == []


async def test_what_is_written_counts_against_the_quota_meanwhile_and_at_the_end(data: Path, images: str) -> None:
    create_qemu(data).close()
    driver = make_limited_driver(data, max_bytes=256 * MIB)

    async def check_quota(_: int, total: int | None) -> None:
        check_no_quota_exceeded({"image_size": 100 * MIB}, {"image_size": 0}, {"image_size": total or 0})

    with pytest.raises(QuotaExceeded):
        await driver.ensure_image("bad", ImageSource(url=f"{images}/bomb.qcow2"), check_quota)
    refused_files = files(driver)
    image = await driver.ensure_image("good", ImageSource(url=f"{images}/bomb.qcow2"), report_progress)
    driver.close()

    assert refused_files == []
    assert image.size > 128 * MIB


async def test_a_conversion_that_takes_too_long_is_ended(limited: Qemu) -> None:
    slow = limited.directory.images / "slow.raw"
    slow.write_bytes(b"x" * (256 * MIB))

    with pytest.raises(DriverError, match=r"qemu-img convert took more than 0.001 seconds"):
        await limited.qemu_img.copy(slow, limited.directory.images / "copy.qcow2", source_format="raw", seconds=0.001)


async def test_a_long_copy_leaves_the_threads_of_asyncio_to_others(limited: Qemu, tmp_path: Path) -> None:
    gate, program = tmp_path / "gate", tmp_path / "qemu-img"
    os.mkfifo(gate)
    # It runs until somebody writes to the gate.
    program.write_text(f"#!/bin/sh\nread -r line < {gate}\n", "utf-8")
    program.chmod(0o700)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    slow = QemuImg(replace(limited.programs, img=str(program)), limited.directory)

    copying = asyncio.create_task(slow.run("convert"))
    try:
        # The task starts the program, and waits for it.
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await asyncio.to_thread(len, b"")
        assert not copying.done()
    finally:
        gate.write_text("go on\n", "utf-8")
        await copying
