"""Where machines, volumes, snapshots and images lie, and as whom QEMU may touch them.

Names never stand in paths: ids do, and what is not fit to be one is refused. Unix sockets are reached by a
descriptor, as their addresses may have 107 bytes only.
"""

import asyncio
import fcntl
import os
import pwd
import re
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from pileus.drivers.protocols.compute import DriverError

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
OURS, QEMUS = 0o700, 0o711


class DataDirectory:
    """The directory `qemu` of the server's data; QEMU's own where the server is root and gives its rights up for it."""

    def __init__(self, data: Path, user: str) -> None:
        self.folder = (data / "qemu").absolute()
        self.user = _account(user)
        self.machines, self.volumes = self.folder / "machines", self.folder / "volumes"
        self.snapshots, self.images = self.folder / "snapshots", self.folder / "images"
        self.net = self.folder / "net"

    def prepare(self) -> None:
        """Make the directories; raises OSError where QEMU could not work in them."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=OURS)
        self.machines.mkdir(exist_ok=True, mode=OURS)
        for folder in (self.volumes, self.snapshots, self.images, self.net):
            folder.mkdir(exist_ok=True, mode=OURS)
            self.chown_to_qemu(folder)
        if self.user:
            self._let_in()

    def machine(self, machine_id: str) -> Path:
        """A machine's directory; raises DriverError for what is no id."""
        return self.machines / check_id(machine_id)

    def volume(self, volume_id: str) -> Path:
        """A volume's file; raises DriverError for what is no id."""
        return self.volumes / f"{check_id(volume_id)}.qcow2"

    def snapshot(self, snapshot_id: str) -> Path:
        """A snapshot's file; raises DriverError for what is no id."""
        return self.snapshots / f"{check_id(snapshot_id)}.qcow2"

    def image(self, image_id: str) -> Path:
        """An image's file; raises DriverError for what is no id."""
        return self.images / f"{check_id(image_id)}.qcow2"

    def chown_to_qemu(self, path: Path) -> None:
        """Let QEMU own a file or directory."""
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)

    def ids(self) -> tuple[int, int] | None:
        """The user and the group that are QEMU's; None where they are ours."""
        return (self.user.pw_uid, self.user.pw_gid) if self.user else None

    def popen_credentials(self) -> dict[str, Any]:
        """How subprocesses become QEMU's user: arguments of `subprocess.Popen`."""
        if not self.user:
            return {"umask": 0o077}
        uid, gid = self.user.pw_uid, self.user.pw_gid
        groups = os.getgrouplist(self.user.pw_name, gid)
        with suppress(FileNotFoundError):
            groups.append(os.stat("/dev/kvm").st_gid)  # noqa: PTH116  # a device, not a path of ours
        return {"user": uid, "group": gid, "extra_groups": sorted(set(groups) - {0}), "umask": 0o077}

    def _let_in(self) -> None:
        """Let QEMU's user pass through our own directories, where it can then neither list nor read anything else."""
        for other in self.folder.parent.iterdir():
            if other != self.folder and not other.is_symlink():
                other.chmod(other.stat().st_mode & 0o700)
        # Each machine has a directory of its own among ours: it cannot put another in a machine's place.
        os.chown(self.machines, os.geteuid(), os.getegid())
        for folder in (self.folder.parent, self.folder, self.machines):
            folder.chmod(QEMUS)
        tried = subprocess.run(  # noqa: S603  # a fixed program with a path of our own
            ["/bin/ls", str(self.volumes)], capture_output=True, check=False, **self.popen_credentials()
        )
        if tried.returncode:
            assert self.user  # noqa: S101  # only then there is somebody to let in
            raise OSError(
                f"QEMU's user {self.user.pw_name} cannot reach {self.folder}: choose --data where it can, such as"
                " /var/lib/pileus, or another --qemu-user"
            )


def check_id(identity: str) -> str:
    """An id that may stand in a path; raises DriverError."""
    if not ID.fullmatch(identity):
        raise DriverError(f"{identity!r} is no id", retryable=False)
    return identity


def open_untrusted(path: Path, mode: str) -> BinaryIO:
    """A file in a directory where QEMU may have put anything: no link of its leads us to a file of ours (OSError)."""
    return cast("BinaryIO", open(path, mode, opener=_plain))  # a Path's own takes no opener


def _plain(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


def sealed(path: Path) -> None:
    """Let nobody change a file any more."""
    with open_untrusted(path, "rb") as file:
        os.fchmod(file.fileno(), 0o400)


@contextmanager
def short_socket_path(socket: Path) -> Iterator[str]:
    """A short name of a unix socket, for as long as it is needed; raises OSError if there is none, or a link to one."""
    descriptor = os.open(socket, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(f"{socket} is no socket")
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Where a file is to be written that takes its place when it is whole, and leaves nothing if it never is."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    try:
        yield new
        new.rename(path)
    finally:
        new.unlink(missing_ok=True)


def locked(path: Path) -> int | None:
    """A descriptor that holds a file's lock until it is closed; None if somebody else holds it, or took it away."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A lock counts only if its file is still the one that others find there.
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    os.close(descriptor)
    return None


@asynccontextmanager
async def wait_for_lock(path: Path, pause: float) -> AsyncIterator[None]:
    """Be the only one, in all processes, who holds the lock of a file; it is asked for again after so many seconds."""
    while (descriptor := locked(path)) is None:  # noqa: ASYNC110  # a file's lock tells nobody that it is free
        await asyncio.sleep(pause)
    try:
        yield
    finally:
        os.close(descriptor)


def _account(name: str) -> pwd.struct_passwd | None:
    """Whom to become; only root can, and nobody need become who they are."""
    if os.geteuid() != 0 or name == "root":
        return None
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise OSError(f"There is no user {name} for QEMU to run as: make one, or choose another --qemu-user") from None
