"""A new file that appears under its name when it is complete, and never before."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pileus.backups.archives import BackupError

MODE = 0o600
NO_ANONYMOUS_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)
"""What a file system or a kernel answers that has no files without a name."""


@contextmanager
def write_whole_file(path: Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Yield a file that only the user can read; it gets its name when the context ends, durably.

    Until then it has no name, so not even a crash leaves anything behind. Raises BackupError if the name is taken,
    unless `overwrite` is set, or if the file cannot be written.
    """
    _check_name_is_free(path, overwrite=overwrite)
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with _open_file(folder) as (file, source):
                yield file
                file.flush()
                os.fsync(file.fileno())
                _give_name(source, folder, path.name, overwrite=overwrite)
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as problem:
        raise BackupError(f"{path} cannot be written: {problem.strerror}") from problem


def _check_name_is_free(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise BackupError(f"{path} exists already: choose another name, or use --overwrite")


@contextmanager
def _open_file(folder: int) -> Iterator[tuple[BinaryIO, str]]:
    """Open a file without a name, and yield it with a path by which it can be linked.

    Where there are no such files, it has a temporary name.
    """
    temporary = ""
    try:
        descriptor = os.open(f"/proc/self/fd/{folder}", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, MODE)
    except OSError as problem:
        if problem.errno not in NO_ANONYMOUS_FILES:
            raise
        temporary = _temporary_name()
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file, f"/proc/self/fd/{file.fileno()}"
    finally:
        if temporary:
            os.unlink(temporary, dir_fd=folder)


def _give_name(source: str, folder: int, name: str, *, overwrite: bool) -> None:
    """Link a file into a directory. With a descriptor of it, Python lets the kernel follow the link in /proc."""
    if not overwrite:
        os.link(source, name, dst_dir_fd=folder)
        return
    temporary = _temporary_name()
    os.link(source, temporary, dst_dir_fd=folder)
    os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def _temporary_name() -> str:
    return f".pileus-{secrets.token_hex(8)}.part"
