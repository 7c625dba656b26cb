"""`python -m pileus.drivers.qemu.fabric FOLDER [UID GID]`: carry frames as that user until stopped by a signal.

Its state comes over a socket in the folder.
"""

import asyncio
import ctypes
import logging
import os
import resource
import signal
import sys
from pathlib import Path

from pileus.drivers.qemu.fabric.control import serve_control
from pileus.drivers.qemu.fabric.fabric import Fabric
from pileus.drivers.qemu.fabric.slirp import load_library
from pileus.drivers.qemu.log_files import all_logs, truncate_log
from pileus.drivers.qemu.paths import try_lock

LOG = logging.getLogger(__name__)
DRIVER_DIRECTORY = Path("..")
PR_SET_NO_NEW_PRIVS = 38
"""An operation of `prctl`, of the kernel's linux/prctl.h."""
TRUNCATION_INTERVAL = 5.0
"""Seconds between two looks at the sizes of logs."""


def raise_file_limit() -> None:
    """Raise the number of files that this process may open as far as it can: it has sockets for all machines."""
    _, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))


def change_user(user: int, group: int) -> None:
    """Change to another user, for good, and without its memory in core dumps.

    Modules that this user cannot read have been imported before.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError("The fabric cannot give up its right to gain privileges")


async def truncate_logs_at_intervals(fabric: Fabric) -> None:
    """Truncate the logs of the fabric and of all machines, which keep running when the server stops."""
    while True:
        tables = fabric.switch.tables
        machine_ids = {*tables.guests, *(wire.machine_id for wire in tables.wires.values())}
        for path in all_logs(DRIVER_DIRECTORY, machine_ids):
            truncate_log(path)
        await asyncio.sleep(TRUNCATION_INTERVAL)


async def main() -> None:
    """Run in the current directory."""
    fabric, stop = Fabric(load_library()), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(fabric.errors.count_in_loop)
    # Errors in callbacks of libslirp come here.
    sys.unraisablehook = lambda problem: fabric.errors.count(problem.exc_value or RuntimeError(f"{problem.err_msg}"))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await fabric.restore_saved_state()
    async with serve_control(fabric):
        LOG.info("The fabric is up")
        truncation = asyncio.create_task(truncate_logs_at_intervals(fabric))
        await stop.wait()
        truncation.cancel()
    fabric.close()


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    raise_file_limit()
    if len(sys.argv) > 2:
        change_user(int(sys.argv[2]), int(sys.argv[3]))
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for needed in ("wires", "md"):
        Path(needed).mkdir(exist_ok=True)
    # A second fabric is not needed; the lock ends with the process.
    if try_lock(Path("fabric.lock")) is None:
        sys.exit(0)
    asyncio.run(main())
