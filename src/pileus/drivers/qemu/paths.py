"""Files of machines, volumes, snapshots and images, and the user that QEMU runs as.

Paths are made of ids alone, never of names; what is no valid id is refused. Unix sockets are opened by a file
descriptor, as their addresses are limited to 107 bytes.
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

from pileus.drivers.protocols.errors import DriverError

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
PRIVATE, TRAVERSABLE = 0o700, 0o711
POLL_INTERVAL = 0.05
"""Seconds between two tries of a lock, or looks at a machine that changes."""
REACH_TIMEOUT = 20.0
"""Seconds that listing the own directory may take."""


class DataDirectory:
    """The directory `qemu` of the server's data. If the server runs as root, parts of it belong to QEMU's user."""

    def __init__(self, data: Path, user: str) -> None:
        self.folder = (data / "qemu").absolute()
        self.user = _find_user(user)
        self.machines, self.volumes = self.folder / "machines", self.folder / "volumes"
        self.snapshots, self.images = self.folder / "snapshots", self.folder / "images"
        self.net = self.folder / "net"

    def create_directories(self) -> None:
        """Create the directories. Raises OSError if QEMU's user cannot reach them."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        self.machines.mkdir(exist_ok=True, mode=PRIVATE)
        for folder in (self.volumes, self.snapshots, self.images, self.net):
            folder.mkdir(exist_ok=True, mode=PRIVATE)
            self.chown_to_qemu(folder)
        if self.user:
            self._allow_traversal()

    def machine_directory(self, machine_id: str) -> Path:
        """Return the directory of a machine. Raises DriverError for an invalid id."""
        return self.machines / require_safe_id(machine_id)

    def volume_file(self, volume_id: str) -> Path:
        """Return the file of a volume. Raises DriverError for an invalid id."""
        return self.volumes / f"{require_safe_id(volume_id)}.qcow2"

    def snapshot_file(self, snapshot_id: str) -> Path:
        """Return the file of a snapshot. Raises DriverError for an invalid id."""
        return self.snapshots / f"{require_safe_id(snapshot_id)}.qcow2"

    def image_file(self, image_id: str) -> Path:
        """Return the file of an image. Raises DriverError for an invalid id."""
        return self.images / f"{require_safe_id(image_id)}.qcow2"

    def chown_to_qemu(self, path: Path) -> None:
        """Make QEMU's user the owner of a file or directory."""
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)

    def user_ids(self) -> tuple[int, int] | None:
        """Return the user and group ids of QEMU; None if it runs as the server's user."""
        return (self.user.pw_uid, self.user.pw_gid) if self.user else None

    def popen_credentials(self) -> dict[str, Any]:
        """Return the arguments of `subprocess.Popen` that start a process as QEMU's user."""
        if not self.user:
            return {"umask": 0o077}
        uid, gid = self.user.pw_uid, self.user.pw_gid
        groups = os.getgrouplist(self.user.pw_name, gid)
        with suppress(FileNotFoundError):
            groups.append(os.stat("/dev/kvm").st_gid)  # noqa: PTH116  # a device
        return {"user": uid, "group": gid, "extra_groups": sorted(set(groups) - {0}), "umask": 0o077}

    def _allow_traversal(self) -> None:
        """Allow QEMU's user to traverse the server's own directories, without listing or reading anything else."""
        for path in self.folder.parent.iterdir():
            if path != self.folder and not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o700)
        # The server owns the parent of the machines' directories: no machine can replace another's directory.
        os.chown(self.machines, os.geteuid(), os.getegid())
        for folder in (self.folder.parent, self.folder, self.machines):
            folder.chmod(TRAVERSABLE)
        try:
            is_reachable = not subprocess.run(  # noqa: S603  # a fixed program and the server's own path
                ["/bin/ls", str(self.volumes)],
                capture_output=True,
                check=False,
                timeout=REACH_TIMEOUT,
                **self.popen_credentials(),
            ).returncode
        except subprocess.TimeoutExpired:
            is_reachable = False
        if not is_reachable:
            assert self.user  # noqa: S101  # the only caller has checked it
            raise OSError(
                f"QEMU's user {self.user.pw_name} cannot reach {self.folder}: choose --data where it can, such as"
                " /var/lib/pileus, or another --qemu-user"
            )


def require_safe_id(identity: str) -> str:
    """Return an id that is safe in a path. Raises DriverError for others."""
    if not ID.fullmatch(identity):
        raise DriverError(f"{identity!r} is no id", retryable=False)
    return identity


def open_without_following_symlink(path: Path, mode: str) -> BinaryIO:
    """Open a file in a directory that QEMU can write to. Raises OSError for a symbolic link: it could lead anywhere."""
    return cast("BinaryIO", open(path, mode, opener=_open_no_follow))  # `Path.open` has no opener


def _open_no_follow(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


def make_read_only(path: Path) -> None:
    """Make a file read-only."""
    with open_without_following_symlink(path, "rb") as file:
        os.fchmod(file.fileno(), 0o400)


@contextmanager
def short_socket_path(socket: Path) -> Iterator[str]:
    """Yield a short path of a Unix socket, valid in the context. Raises OSError if it is missing or a symbolic link."""
    descriptor = os.open(socket, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(f"{socket} is no socket")
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` on success and is removed on failure."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    try:
        yield new
        new.rename(path)
    finally:
        new.unlink(missing_ok=True)


def try_lock(path: Path) -> int | None:
    """Lock a file. Return a descriptor that holds the lock until it is closed; None if another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The lock counts only if the file is still the one that others open.
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    os.close(descriptor)
    return None


@asynccontextmanager
async def wait_for_lock(path: Path, pause: float) -> AsyncIterator[None]:
    """Lock a file against all other processes, tried every `pause` seconds."""
    while (descriptor := try_lock(path)) is None:  # noqa: ASYNC110  # nothing signals the release of a file lock
        await asyncio.sleep(pause)
    try:
        yield
    finally:
        os.close(descriptor)


def _find_user(name: str) -> pwd.struct_passwd | None:
    """Return the user to run QEMU as; None if the server is not root or the user is root itself."""
    if os.geteuid() != 0 or name == "root":
        return None
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise OSError(f"There is no user {name} for QEMU to run as: create it, or choose another --qemu-user") from None
