"""Logs that QEMU and the fabric write: all have a size limit, as machines can make them grow."""

import fcntl
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pileus.drivers.qemu.paths import open_without_following_symlink, require_safe_id
from pileus.drivers.qemu.users import ProcessUser

FABRIC_LOG = "fabric.log"
LOG_LIMIT, LOG_KEPT = 4 << 20, 1 << 20
"""Bytes of a log at which it is truncated, and the bytes at its end that are kept."""
ERROR_SIZE = 2048
"""Bytes of the messages of a program that an error quotes."""


def serial_log(folder: Path, machine_id: str) -> Path:
    """Return the serial log of a machine, in the directory of the driver."""
    return folder / "logs" / f"{require_safe_id(machine_id)}.serial.log"


def qemu_log(folder: Path, machine_id: str) -> Path:
    """Return QEMU's log of a machine."""
    return folder / "logs" / f"{require_safe_id(machine_id)}.qemu.log"


def haproxy_log(folder: Path, load_balancer_id: str) -> Path:
    """Return HAProxy's log of a load balancer."""
    return folder / "logs" / f"{require_safe_id(load_balancer_id)}.haproxy.log"


def ganesha_log(folder: Path, share_id: str) -> Path:
    """Return NFS-Ganesha's log of a file share."""
    return folder / "logs" / f"{require_safe_id(share_id)}.ganesha.log"


def machine_logs(folder: Path, machine_id: str) -> list[Path]:
    """Return the logs of a machine."""
    return [serial_log(folder, machine_id), qemu_log(folder, machine_id)]


def former_machine_logs(folder: Path, machine_id: str) -> list[Path]:
    """Return where the logs of a machine are that an earlier version has started."""
    return [folder / "machines" / require_safe_id(machine_id) / name for name in ("serial.log", "qemu.log")]


def all_logs(folder: Path, machine_ids: Collection[str]) -> list[Path]:
    """Return the logs of the fabric, and of machines, load balancers and file shares by their ids."""
    return [
        folder / "net" / FABRIC_LOG,
        *(haproxy_log(folder, machine_id) for machine_id in machine_ids),
        *(ganesha_log(folder, machine_id) for machine_id in machine_ids),
        *(log for machine_id in machine_ids for log in machine_logs(folder, machine_id)),
        *(log for machine_id in machine_ids for log in former_machine_logs(folder, machine_id)),
    ]


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


def read_serial_log(folder: Path, machine_id: str, max_bytes: int) -> bytes:
    """Return the last bytes of a machine's serial output; an earlier version may have started the machine."""
    path = serial_log(folder, machine_id)
    return read_log_end(path if path.exists() else former_machine_logs(folder, machine_id)[0], max_bytes)


def open_machine_logs(folder: Path, machine_id: str, user: ProcessUser | None) -> tuple[BinaryIO, BinaryIO]:
    """Open the serial log, which goes on, and an empty log of QEMU; they belong to the user that truncates them."""
    previous = read_serial_log(folder, machine_id, LOG_KEPT)
    for path in former_machine_logs(folder, machine_id):
        path.unlink(missing_ok=True)
    is_new = not serial_log(folder, machine_id).exists()
    qemu_log(folder, machine_id).unlink(missing_ok=True)
    serial, messages = (open_without_following_symlink(path, "ab") for path in machine_logs(folder, machine_id))
    for log in (serial, messages):
        if user:
            os.fchown(log.fileno(), user.uid, user.gid)
    if is_new:
        serial.write(previous)
        serial.flush()
    return serial, messages
