"""Who can use a file: the one user whose it is, or those that it is shared with. Only the server can change that.

Without root's rights, all files belong to the user of the server.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.paths import open_without_following_symlink
from pileus.drivers.qemu.users import ProcessUser

OWN, READ_ONLY, CLIENT_READ_ONLY, PUBLIC_READ_ONLY = 0o600, 0o400, 0o440, 0o444


def create_file(path: Path, user: ProcessUser | None) -> None:
    """Create an empty file of a user, in place of another one."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWN)
    try:
        if user:
            os.fchown(descriptor, user.uid, user.gid)
    finally:
        os.close(descriptor)


def give_file(path: Path, user: ProcessUser | None) -> None:
    """Make a user the owner of a file, which nobody else can use then. A missing file is ignored.

    Raises DriverError for a file with another name: it could be anybody's.
    """
    if user is None:
        return
    with suppress(FileNotFoundError), open_without_following_symlink(path, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise DriverError(f"{path.name} is no file, or has other names", retryable=False)
        if (status.st_uid, status.st_gid) != (user.uid, user.gid):
            os.fchown(file.fileno(), user.uid, user.gid)
        os.fchmod(file.fileno(), OWN)


def take_file(path: Path, user: ProcessUser | None) -> None:
    """Make a file that a user has written the server's, and read-only for that user."""
    if user:
        os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
    share_file(path, user)


def share_file(path: Path, user: ProcessUser | None) -> None:
    """Let a user read a file of the server, beside its present owner. A missing file is ignored.

    The group of the file is that of a client, and its owner the user that machines of any client may share.
    """
    with suppress(FileNotFoundError), open_without_following_symlink(path, "rb") as file:
        if user is None:
            os.fchmod(file.fileno(), READ_ONLY)
        elif user.client_id is None:
            os.fchown(file.fileno(), user.uid, -1)
            os.fchmod(file.fileno(), os.fstat(file.fileno()).st_mode & CLIENT_READ_ONLY | READ_ONLY)
        else:
            os.fchown(file.fileno(), -1, user.gid)
            os.fchmod(file.fileno(), CLIENT_READ_ONLY)


def publish_file(path: Path) -> None:
    """Let the machines of all clients read a file, and nobody change it."""
    with suppress(FileNotFoundError), open_without_following_symlink(path, "rb") as file:
        if os.geteuid() == 0:
            os.fchown(file.fileno(), os.geteuid(), os.getegid())
            os.fchmod(file.fileno(), PUBLIC_READ_ONLY)
        else:
            os.fchmod(file.fileno(), READ_ONLY)
