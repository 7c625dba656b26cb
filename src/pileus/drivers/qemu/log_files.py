"""Logs that QEMU and the fabric write: all have a size limit, as machines can make them grow."""

import fcntl
from contextlib import suppress
from pathlib import Path

from pileus.drivers.qemu.paths import open_without_following_symlink, require_safe_id

SERIAL_LOG, QEMU_LOG, FABRIC_LOG = "serial.log", "qemu.log", "fabric.log"
LOG_LIMIT, LOG_KEPT = 4 << 20, 1 << 20
"""Bytes of a log at which it is truncated, and the bytes at its end that are kept."""


def machine_logs(machines: Path, machine_id: str) -> list[Path]:
    """Return the logs of a machine, in the directory of all machines."""
    return [machines / require_safe_id(machine_id) / name for name in (SERIAL_LOG, QEMU_LOG)]


def truncate_log(path: Path) -> None:
    """Keep only the end of a log that is too long; its writers append to the file."""
    with suppress(OSError):
        if path.stat().st_size > LOG_LIMIT:
            with open_without_following_symlink(path, "r+b") as log:
                # The server and the fabric both do this. The lock ends with the descriptor.
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                log.seek(-LOG_KEPT, 2)
                end = log.read(LOG_KEPT)
                log.seek(0)
                log.write(end)
                log.truncate()


def read_log_end(path: Path, max_bytes: int) -> bytes:
    """Return the last bytes of a log; nothing if it is missing or a symbolic link."""
    with suppress(OSError), open_without_following_symlink(path, "rb") as log:
        log.seek(0, 2)
        log.seek(max(log.tell() - max_bytes, 0))
        return log.read(max_bytes)
    return b""
