"""Only the user of the server can read its files, whatever the umask and the mode of the data directory are.

The umask covers everything that the server and the processes that it starts create. Files that an earlier version
created are corrected at start.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

PRIVATE_UMASK = 0o077
MACHINES = "qemu"
"""The directory of the QEMU driver. If the server is root, machines run as other users, and may use some of it."""
REQUEST_LOG_DIRECTORY = "request-log"
"""The directory of the sockets by which processes read each other's request logs."""
MACHINE_DIRECTORY_MODES = (0o711, 0o710, 0o2770)
MACHINE_FILE_MODES = (0o440, 0o444)
"""Modes of directories that machines may traverse or create sockets in, and of files that they may only read."""
START_REPORT_FILE = "start.json"
"""How far the start of the server is, for all of its processes."""
KEY_FILE = "admin.key"
"""The operator's key of the first start."""
INVALID_KEY_FILE = "admin.key.invalid"
"""The key of `KEY_FILE`, after it has been revoked or replaced elsewhere, or if it is that of another database."""
OWN_ENTRIES = (
    "pileus.db*",
    "simulated.db*",
    "serve.lock",
    f"{KEY_FILE}*",
    "secrets.key*",
    "home.id",
    "figures",
    REQUEST_LOG_DIRECTORY,
    "start.*",
    MACHINES,
)
"""What the server creates in the data directory. What operators put beside it keeps its mode."""


def read_key_file(data: Path) -> str:
    """Return the key in a data directory, or an empty text if there is none that can be read."""
    try:
        return (data / KEY_FILE).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def write_key_file(token: str, data: Path) -> None:
    """Write a key to a file that only its owner can read, from its creation on."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(data / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(token + "\n")


def prepare_data_directory(data: Path) -> None:
    """Create the data directory if needed, and make everything of the server in it private. Raises OSError.

    Missing parents of the directory get the umask of the caller: they are not the server's own.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_new_files_private()
    _make_existing_files_private(data)


def make_new_files_private() -> None:
    """Let this process, and those that it starts, create files and directories that only its user can use."""
    os.umask(PRIVATE_UMASK)


def _make_existing_files_private(data: Path) -> None:
    """Take the rights of other users from what the server has created in the data directory. Raises OSError."""
    for entry in (entry for pattern in OWN_ENTRIES for entry in data.glob(pattern)):
        has_machines = entry.name == MACHINES and os.geteuid() == 0
        _make_private(str(entry), has_machines=has_machines)
        for _, folders, files, directory in os.fwalk(entry):
            for name in (*folders, *files):
                _make_private(name, directory, has_machines=has_machines)


def _make_private(name: str, directory: int | None = None, *, has_machines: bool) -> None:
    """Take the rights of other users from one file or directory, but for those of machines.

    The file is opened before it is examined, so that nobody can replace it by a link to another file meanwhile.
    """
    # A file may be deleted meanwhile: machines run on while the server is restarted.
    with suppress(FileNotFoundError):
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            status = os.fstat(descriptor)
            mode = stat.S_IMODE(status.st_mode)
            is_open = mode & PRIVATE_UMASK and not stat.S_ISLNK(status.st_mode)
            if is_open and not (has_machines and _is_for_machines(status.st_mode)):
                Path(f"/proc/self/fd/{descriptor}").chmod(mode & ~PRIVATE_UMASK)
        finally:
            os.close(descriptor)


def _is_for_machines(mode: int) -> bool:
    """Return whether a file has a mode that the driver gives. The directory of a socket says who can connect to it."""
    if stat.S_ISDIR(mode):
        return stat.S_IMODE(mode) in MACHINE_DIRECTORY_MODES
    return stat.S_ISSOCK(mode) or stat.S_IMODE(mode) in MACHINE_FILE_MODES
