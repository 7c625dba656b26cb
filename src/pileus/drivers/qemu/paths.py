"""Files of machines, volumes, snapshots and images.

Paths are made of ids alone, never of names; what is no valid id is refused. Unix sockets are opened by a file
descriptor, as their addresses are limited to 107 bytes.
"""

import asyncio
import fcntl
import os
import re
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.users import HostUsers, ProcessUser, command_as_user, environment_of_programs

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
PRIVATE, TRAVERSABLE = 0o700, 0o711
CLIENT_TRAVERSABLE, CLIENT_SOCKETS = 0o710, 0o2770
"""Modes of directories that a client has for sockets. What is created in the second one belongs to its group."""
GUEST_SOCKETS = "guests"
POLL_INTERVAL = 0.05
"""Seconds between two tries of a lock, or looks at a machine that changes."""
REACH_TIMEOUT = 20.0
"""Seconds that listing the own directory may take."""


class DataDirectory:
    """The directory `qemu` of the server's data.

    If the server is root, it alone can create files of volumes, snapshots and images, and other users can traverse
    their directories, without listing them. Each file says by its owner, group and mode who can use it.
    """

    def __init__(self, data: Path, users: HostUsers) -> None:
        self.folder = (data / "qemu").absolute()
        self.users = users
        self.machines, self.volumes = self.folder / "machines", self.folder / "volumes"
        self.snapshots, self.images = self.folder / "snapshots", self.folder / "images"
        self.net, self.logs = self.folder / "net", self.folder / "logs"
        self.load_balancers, self.file_shares = self.folder / "load_balancers", self.folder / "file_shares"

    def create_directories(self) -> None:
        """Create the directories. Raises OSError if the users of programs cannot reach them."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        for folder in (*self._own_folders, self.net, self.logs):
            folder.mkdir(exist_ok=True, mode=PRIVATE)
        if fabric := self.users.fabric:
            for folder in (self.net, self.logs, self.wires):
                folder.mkdir(exist_ok=True, mode=PRIVATE)
                os.chown(folder, fabric.uid, -1, follow_symlinks=False)
            self._allow_traversal()

    @property
    def _own_folders(self) -> tuple[Path, ...]:
        return self.machines, self.volumes, self.snapshots, self.images, self.load_balancers, self.file_shares

    @property
    def wires(self) -> Path:
        """The directory of the sockets for frames."""
        return self.net / "wires"

    def machine_directory(self, machine_id: str) -> Path:
        """Return the directory of a machine. Raises DriverError for an invalid id."""
        return self.machines / require_safe_id(machine_id)

    def load_balancer_directory(self, load_balancer_id: str) -> Path:
        """Return the directory of a load balancer. Raises DriverError for an invalid id."""
        return self.load_balancers / require_safe_id(load_balancer_id)

    def file_share_directory(self, share_id: str) -> Path:
        """Return the directory of a file share. Raises DriverError for an invalid id."""
        return self.file_shares / require_safe_id(share_id)

    def volume_file(self, volume_id: str) -> Path:
        """Return the file of a volume. Raises DriverError for an invalid id."""
        return self.volumes / f"{require_safe_id(volume_id)}.qcow2"

    def snapshot_file(self, snapshot_id: str) -> Path:
        """Return the file of a snapshot. Raises DriverError for an invalid id."""
        return self.snapshots / f"{require_safe_id(snapshot_id)}.qcow2"

    def image_file(self, image_id: str) -> Path:
        """Return the file of an image. Raises DriverError for an invalid id."""
        return self.images / f"{require_safe_id(image_id)}.qcow2"

    def create_machine_directory(self, machine_id: str, user: ProcessUser | None) -> None:
        """Create what the process of a machine writes to: its directory, and the one for the sockets of its client."""
        folder = self.machine_directory(machine_id)
        folder.mkdir(exist_ok=True, mode=PRIVATE)
        if user is None:
            return
        os.chown(folder, user.uid, user.gid, follow_symlinks=False)
        fabric = self.users.fabric
        if fabric is None or user.client_id is None:
            return
        # The fabric creates its sockets in the first directory, machines create theirs in the second.
        for sockets, owner, group, mode in (
            (self.wires / str(user.uid), fabric.uid, user.gid, CLIENT_TRAVERSABLE),
            (self.wires / str(user.uid) / GUEST_SOCKETS, user.uid, fabric.gid, CLIENT_SOCKETS),
        ):
            sockets.mkdir(exist_ok=True, mode=PRIVATE)
            os.chown(sockets, owner, group, follow_symlinks=False)
            sockets.chmod(mode)

    def _allow_traversal(self) -> None:
        """Allow the users of programs to traverse directories, without listing or reading anything else."""
        for path in self.folder.parent.iterdir():
            if path != self.folder and not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o700)
        # Only the server can create, replace or remove files in these.
        for folder in self._own_folders:
            os.chown(folder, os.geteuid(), os.getegid())
            folder.chmod(TRAVERSABLE)
        for folder in (self.folder.parent, self.folder, self.net, self.wires):
            folder.chmod(TRAVERSABLE)
        self._check_reachable(self.users.shared)
        if ids := self.users.client_ids:
            self._check_reachable(self.users.user_with_id(ids.first, 0))

    def _check_reachable(self, user: ProcessUser | None) -> None:
        command = command_as_user(user, (), ["ls", "-d", f"{self.volumes}/."])
        try:
            result = subprocess.run(  # noqa: S603  # a fixed program and the server's own path
                command, capture_output=True, check=False, timeout=REACH_TIMEOUT, env=environment_of_programs()
            )
        except subprocess.TimeoutExpired:
            raise OSError(f"{self.folder} cannot be listed within {REACH_TIMEOUT:g} seconds") from None
        if result.returncode:
            message = result.stderr.decode("utf-8", "replace").strip()
            raise OSError(
                f"User {user.uid if user else 0}, as which QEMU runs, cannot reach {self.folder}: choose --data where"
                f" all users can, such as /var/lib/pileus, or see --qemu-user and --qemu-user-ids ({message})"
            )


class WireSockets(Struct, frozen=True):
    """The sockets of a port in the directory `net`: `host` is the fabric's, `guest` that of a client's machine."""

    host: str
    guest: str

    @classmethod
    def of(cls, port_id: str, user_id: int | None) -> "WireSockets":
        """Return the sockets of a port whose machine runs as the user of a client, or as the one that all share."""
        if user_id is None:
            return cls(f"wires/{port_id}.host", f"wires/{port_id}.guest")
        return cls(f"wires/{user_id}/{port_id}.host", f"wires/{user_id}/{GUEST_SOCKETS}/{port_id}.guest")


def tap_socket(start: int | str) -> str:
    """Return the name of the socket at which a process hands over its TAP devices: each start has its own."""
    return f"tap-{start}.sock"


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
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` on success and is removed on failure.

    With `durable`, the file is whole under its name even after a power loss.
    """
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    try:
        yield new
        if durable:
            _sync(new)
        new.rename(path)
        if durable:
            _sync(path.parent)
    finally:
        new.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file or a directory is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
