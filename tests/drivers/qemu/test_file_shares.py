"""Test file shares with a real NFS client in network namespaces."""

import asyncio
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import FileShareSpec, ShareAccess
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.ganesha.configuration import ganesha_configuration
from pileus.drivers.qemu.ganesha.images import ShareImages
from pileus.drivers.qemu.ganesha.programs import GaneshaPrograms
from pileus.drivers.qemu.ganesha.records import FileShareRecord
from pileus.drivers.qemu.ganesha.sandbox import APPLIED, CONFIGURATION, IMAGE
from pileus.drivers.qemu.log_files import ganesha_log
from pileus.drivers.qemu.paths import try_lock
from tests.drivers.qemu.balanced import end_fabric
from tests.drivers.qemu.conftest import until
from tests.drivers.qemu.drivers import create_qemu
from tests.drivers.qemu.shared import (
    SharedSite,
    child_of,
    end_and_wait,
    is_gone,
    loop_device,
    mounted_images,
    namespaces,
    run_beside,
)

GIB = 1 << 30
FILE_RIGHTS = 0xDF
"""The capabilities to serve files of all users: bits 0 to 4, 6 and 7."""
INNER_FILES = ("/share", "/run/pid", "/dev/null", "pipe:", "socket:", "anon_inode:")
RESIZE = """import asyncio, signal, sys
from pathlib import Path
from pileus.drivers.qemu.ganesha.images import ShareImages
from pileus.drivers.qemu.ganesha.programs import GaneshaPrograms
signal.signal(signal.SIGINT, signal.default_int_handler)  # A parent may ignore it.
asyncio.run(ShareImages(GaneshaPrograms(is_root=True)).ensure_size(Path(sys.argv[1]), 2))
"""
"""A server that does nothing but resize an image."""
FILL = "for size in 512M 64M 8M 1M 64k 4k; do while fallocate -l $size full$((n=n+1)); do :; done; done"


async def test_a_guest_mounts_a_share_and_users_keep_their_files(shares: SharedSite) -> None:
    share = shares.file_share()
    point = await shares.qemu.ensure_file_share(share)
    guest = await shares.add_guest("one", "10.0.0.11")
    await shares.grant(share, "10.0.0.0/24", "rw")
    root, owner, other = (shares.mount(guest, share, user=user) for user in (0, 1000, 1001))
    owner.ask("write", "/notes", "hello " * 1000)

    assert point == f"10.0.0.9:/shares/share-{share.id}"
    assert root.ask("read", "/notes") == "hello " * 1000
    assert root.ask("attributes", "/notes")[0] == 1000
    assert "NFS4ERR_ACCESS" in str(other.try_to("read", "/notes"))
    assert "NFS4ERR_PERM" in str(owner.try_to("chown", "/notes", 1001))
    assert root.try_to("chown", "/notes", 1001) is None
    assert other.ask("read", "/notes") == "hello " * 1000


async def test_access_rules_apply_at_once_to_those_who_have_mounted(shares: SharedSite) -> None:
    share = shares.file_share()
    await shares.qemu.ensure_file_share(share)
    near, far = await shares.add_guest("near", "10.0.0.11"), await shares.add_guest("far", "10.0.0.12")
    without_rules = shares.mount(near, share).error
    everybody = await shares.grant(share, "10.0.0.0/24", "ro")
    reader, writer = shares.mount(far, share), shares.mount(near, share)
    read_only = writer.try_to("write", "/a", "1")
    near_rule = await shares.grant(share, "10.0.0.11", "rw")
    writer.ask("write", "/a", "1")
    far_still = reader.try_to("write", "/b", "2")
    await shares.qemu.ensure_no_share_access(share.id, everybody.id)
    revoked = reader.try_to("attributes", "/a")
    await shares.qemu.ensure_share_access(replace(near_rule, access_level="ro"))

    assert "NFS4ERR_NOENT" in str(without_rules)
    assert "NFS4ERR_ROFS" in str(read_only)
    assert "NFS4ERR_ROFS" in str(far_still)
    assert "NFS4ERR_ACCESS" in str(revoked)
    assert "NFS4ERR_ROFS" in str(writer.try_to("write", "/a", "2"))
    assert writer.ask("attributes", "/a")[0] == 0


async def test_the_size_bounds_the_content_and_grows_and_shrinks_back(shares: SharedSite) -> None:
    share = shares.file_share()
    await shares.qemu.ensure_file_share(share)
    guest = await shares.add_guest("one", "10.0.0.11")
    await shares.grant(share, "10.0.0.11", "rw")
    client = shares.mount(guest, share)
    client.ask("write", "/kept", "content")
    total, _ = client.ask("space")
    run_beside(shares, share, FILL)
    full = client.try_to("write", "/more", "x" * 8192)
    run_beside(shares, share, "rm full*")
    sizes = []
    for size in (2, 1):
        await shares.qemu.ensure_file_share(replace(share, size=size))
        again = shares.mount(guest, share)
        sizes.append(again.ask("space")[0])
        assert again.ask("attributes", "/kept")[0] == 0

    assert "NFS4ERR_NOSPC" in str(full)
    assert 0.9 * GIB < total < GIB
    assert 1.9 * GIB < sizes[0] < 2 * GIB
    assert 0.9 * GIB < sizes[1] < GIB
    assert (shares.qemu.directory.file_share_directory(share.id) / IMAGE).stat().st_size == GIB


async def test_a_share_outlives_the_server_and_is_is_started_again_when_its_process_is_killed(
    shares: SharedSite, data: Path
) -> None:
    share = shares.file_share()
    await shares.qemu.ensure_file_share(share)
    guest = await shares.add_guest("one", "10.0.0.11")
    await shares.grant(share, "10.0.0.11", "rw")
    client = shares.mount(guest, share)
    client.ask("write", "/kept", "content")
    runner = shares.runner_id(share)
    next_server = create_qemu(data)
    await next_server.file_shares.restart_ended()
    shares_of_next = SharedSite(next_server, shares.folder)
    unchanged = shares_of_next.runner_id(share)
    await end_and_wait(runner)
    await until(lambda: is_started_again(shares.qemu, share, runner))
    next_server.close()
    again = shares.mount(guest, share)

    assert unchanged == runner
    assert again.error is None
    assert again.ask("attributes", "/kept")[0] == 0


async def is_started_again(qemu: Qemu, share: FileShareSpec, former: int) -> bool:
    await qemu.file_shares.restart_ended()
    record = qemu.file_shares.records.find(share.id)
    return record is not None and record.pid != former


async def test_the_server_of_a_share_reaches_nothing_else_of_the_host(shares: SharedSite) -> None:
    share = shares.file_share()
    await shares.qemu.ensure_file_share(share)
    server_id = child_of(child_of(shares.runner_id(share)))
    server = Path(f"/proc/{server_id}")
    lines = (server / "status").read_text("utf-8").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    mounts = {line.split()[4]: line for line in (server / "mountinfo").read_text("utf-8").splitlines()}
    paths = {str(path.readlink()) for path in (server / "fd").iterdir()}

    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {FILE_RIGHTS}
    assert (status["NoNewPrivs"], status["NSpid"].split()[-1]) == ("1", "1")
    assert namespaces(server_id) & namespaces("self") == set()
    assert mounts.keys() == {"/", "/share", "/usr", "/run", "/dev"}
    assert " ro," in mounts["/"]
    assert " - overlay share-usr ro" in mounts["/usr"]
    assert {path for path in paths if not path.startswith(INNER_FILES)} == set()


async def test_a_deleted_share_leaves_nothing(shares: SharedSite) -> None:
    share = shares.file_share()
    await shares.qemu.ensure_file_share(share)
    runner = shares.runner_id(share)
    for _ in range(2):
        await shares.qemu.ensure_no_file_share(share.id)

    assert list(shares.qemu.directory.file_shares.iterdir()) == []
    assert list(shares.qemu.directory.logs.glob(f"{share.id}*")) == []
    assert share.id not in mounted_images()
    assert is_gone(runner)


async def test_what_does_not_fit_is_not_shrunk_and_the_share_goes_on(shares: SharedSite) -> None:
    share = shares.file_share(size=2)
    await shares.qemu.ensure_file_share(share)
    guest = await shares.add_guest("one", "10.0.0.11")
    await shares.grant(share, "10.0.0.11", "rw")
    run_beside(shares, share, "fallocate -l 1500M big")
    with pytest.raises(DriverError, match="cannot be changed"):
        await shares.qemu.ensure_file_share(replace(share, size=1))
    await shares.qemu.ensure_file_share(share)

    assert shares.mount(guest, share).ask("attributes", "/big")[0] == 0


async def test_a_file_system_that_is_still_mounted_is_neither_resized_nor_mounted_again(
    shares: SharedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pileus.drivers.qemu.ganesha.images.UNMOUNT_TIMEOUT", 0.0)
    share = shares.file_share()
    image = shares.qemu.directory.file_share_directory(share.id) / IMAGE
    await shares.qemu.ensure_file_share(share)
    await shares.qemu.ensure_no_file_share(share.id)
    image.parent.mkdir()
    image.write_bytes(bytes(1 << 20))
    with loop_device(image):
        for attempt in (share, replace(share, size=2)):
            with pytest.raises(DriverError, match="still in use"):
                await shares.qemu.ensure_file_share(attempt)

    assert image.read_bytes() == bytes(1 << 20)


async def test_a_share_that_the_network_does_not_reach_does_not_run(
    shares: SharedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    share, running = shares.file_share(), []
    with monkeypatch.context() as patch:
        end_fabric(shares.qemu, patch)
        with pytest.raises(DriverError, match="network does not come up"):
            await shares.qemu.ensure_file_share(share)
        running.append(not is_gone(shares.runner_id(share)))
    await shares.qemu.ensure_file_share(share)
    running.append(not is_gone(shares.runner_id(share)))
    await end_and_wait(shares.runner_id(share))
    with monkeypatch.context() as patch:
        end_fabric(shares.qemu, patch)
        await shares.qemu.file_shares.restart_ended()
        running.append(not is_gone(shares.runner_id(share)))

    assert running == [False, True, False]


async def test_a_share_that_does_not_start_delays_no_load_balancer(
    shares: SharedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    if obstacle := await shares.qemu.find_load_balancer_obstacle():
        pytest.skip(obstacle)
    monkeypatch.setattr("pileus.drivers.qemu.ganesha.images.UNMOUNT_TIMEOUT", 600.0)
    share, balancer, records = shares.file_share(), shares.load_balancer(), shares.qemu.haproxy.records
    folder = shares.qemu.directory.file_share_directory(share.id)
    folder.mkdir()
    (folder / IMAGE).write_bytes(bytes(1 << 20))
    shares.qemu.file_shares.records.save(FileShareRecord(share=share, image_size=1))
    await shares.qemu.ensure_load_balancer(balancer)
    process_id = records.get(balancer.id).pid
    assert process_id
    with loop_device(folder / IMAGE):
        watch = asyncio.create_task(shares.qemu.watch_machines(lambda: None))
        await until(lambda: is_locked(folder.with_suffix(".lock")))
        os.kill(process_id, signal.SIGKILL)
        await until(lambda: has_other_process(shares.qemu, balancer.id, process_id))
        watch.cancel()
        await asyncio.wait([watch])

    assert watch.cancelled()


async def is_locked(path: Path) -> bool:
    if (descriptor := try_lock(path)) is not None:
        os.close(descriptor)
    return descriptor is None


async def has_other_process(qemu: Qemu, load_balancer_id: str, former: int) -> bool:
    return qemu.haproxy.records.get(load_balancer_id).pid != former


async def test_a_share_whose_creation_was_cancelled_is_served_when_the_next_one_returns(shares: SharedSite) -> None:
    share = shares.file_share()
    applied = shares.qemu.directory.file_share_directory(share.id) / APPLIED
    creation = asyncio.create_task(shares.qemu.ensure_file_share(share))
    await until(lambda: find_process(shares.qemu, share))
    creation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creation
    served = [applied.exists()]
    await shares.qemu.ensure_file_share(share)

    assert [*served, applied.exists()] == [False, True]


async def find_process(qemu: Qemu, share: FileShareSpec) -> int | None:
    record = qemu.file_shares.records.find(share.id)
    return record.pid if record else None


async def test_a_share_is_served_and_changed_while_its_log_cannot_be_written(shares: SharedSite) -> None:
    share = shares.file_share()
    await shares.qemu.ensure_file_share(share)
    runner, limit = shares.runner_id(share), 1 << 16
    os.truncate(ganesha_log(shares.qemu.directory.folder, share.id), limit)
    resource.prlimit(child_of(runner), resource.RLIMIT_FSIZE, (limit, limit))
    await shares.grant(share, "10.0.0.11", "ro")
    guest = await shares.add_guest("one", "10.0.0.11")

    assert shares.mount(guest, share).error is None
    assert shares.runner_id(share) == runner


@pytest.mark.parametrize("problem", ["does not serve", "Is a directory"])
async def test_access_that_cannot_be_granted_is_not_granted_later(
    shares: SharedSite, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    share = shares.file_share()
    folder = shares.qemu.directory.file_share_directory(share.id)
    await shares.qemu.ensure_file_share(share)
    former = await shares.grant(share, "10.0.0.11", "ro")
    granted = (folder / CONFIGURATION).read_bytes()
    if problem == "Is a directory":
        (folder / CONFIGURATION).with_suffix(".new").mkdir()
    monkeypatch.setattr("pileus.drivers.qemu.ganesha.processes.APPLY_TIMEOUT", 0.0)
    with pytest.raises(DriverError, match=problem):
        await shares.grant(share, "10.0.0.0/24", "rw")
    record = shares.qemu.file_shares.records.find(share.id)
    await until(lambda: has_applied(folder, granted))

    assert record is not None
    assert record.rules == {former.id: former}
    assert (folder / CONFIGURATION).read_bytes() == granted


async def has_applied(folder: Path, content: bytes) -> bool:
    return (folder / APPLIED).read_text("utf-8") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
async def test_a_resize_outlives_its_server_and_the_next_one_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: signal.Signals
) -> None:
    image, log, go = tmp_path / IMAGE, tmp_path / "log", tmp_path / "go"
    images = ShareImages(GaneshaPrograms(is_root=True))
    await images.ensure_size(image, 1)
    os.mkfifo(go)
    gate = os.open(go, os.O_RDWR)
    check = f'#!/bin/sh\necho begin >>{log}\nread line <{go}\n{shutil.which("e2fsck")} "$@" && echo end >>{log}\n'
    (tmp_path / "e2fsck").write_text(check, "utf-8")
    (tmp_path / "e2fsck").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with start_resize(image) as server:
        await until(lambda: asyncio.to_thread(log.exists))
        server.send_signal(end)
    is_locked = try_lock(image) is None
    os.write(gate, b"\n\n")
    await images.ensure_size(image, 2)
    os.close(gate)

    assert is_locked
    assert log.read_text("utf-8").split() == ["begin", "end"] * 2
    assert image.stat().st_size == 2 * GIB


def start_resize(image: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", RESIZE, image], stderr=subprocess.DEVNULL)


async def test_shares_that_real_machines_cannot_have_are_refused(qemu: Qemu) -> None:
    with pytest.raises(DriverError, match="of type standard alone"):
        await qemu.ensure_file_share(FileShareSpec(id="a", size=1, type_name="vast"))
    with pytest.raises(DriverError, match="does not exist"):
        await qemu.ensure_share_access(ShareAccess(id="a", file_share_id="b", access_to="::/0", access_level="ro"))


@pytest.mark.parametrize(
    ("user_id", "path", "hint"),
    [
        (0, "/nowhere", "apt-get install nfs-ganesha nfs-ganesha-vfs"),
        (1000, "/usr/bin", "start the server as root"),
    ],
)
def test_a_host_without_what_shares_need_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, user_id: int, path: str, hint: str
) -> None:
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr("pileus.drivers.qemu.namespaces.programs.SYSTEM_PATHS", path)
    programs = GaneshaPrograms(is_root=user_id == 0)

    assert hint in str(programs.find_obstacle())
    assert not programs.works


def test_the_smallest_range_that_contains_a_client_decides() -> None:
    share = FileShareSpec(id="a", size=1, type_name="standard", ip_address="10.0.0.9")
    rules = [
        ShareAccess(id=access_to, file_share_id="a", access_to=access_to, access_level=level)
        for access_to, level in (("10.0.0.0/8", "rw"), ("10.0.0.7", "ro"), ("10.0.0.0/24", "rw"))
    ]
    clients = [line.split()[4] for line in ganesha_configuration(share, rules).splitlines() if "CLIENT" in line]

    assert clients == ["10.0.0.7/32;", "10.0.0.0/24;", "10.0.0.0/8;"]
