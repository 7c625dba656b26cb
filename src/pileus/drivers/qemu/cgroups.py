"""A control group (cgroup v2) for each machine, where one can be made: what it uses is told apart and bounded."""

import logging
import os
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path

from pileus.drivers.protocols.compute import Machine

LOG = logging.getLogger(__name__)
OVERHEAD = 512
"""MiB that QEMU may need beside a machine's own memory."""
PERIOD = 100_000
"""Microseconds in which a machine may use each of its processors once, and half a processor more for its devices."""


def create_cgroup(machine: Machine, pid: int) -> None:
    """Put a machine's process into a group of its own; without the right to, it stays where the server is."""
    base = _base()
    if base is None:
        return
    group = base / machine.id
    limits = {
        "memory.max": str((machine.ram + OVERHEAD) << 20),
        "cpu.max": f"{machine.vcpus * PERIOD + PERIOD // 2} {PERIOD}",
        "pids.max": str(64 + 4 * machine.vcpus),
    }
    try:
        group.mkdir(exist_ok=True)
        for file, limit in limits.items():
            if (group / file).exists():
                (group / file).write_text(limit)
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as problem:
        LOG.warning("A machine has no control group of its own", extra={"machine_id": machine.id, "why": str(problem)})


def remove_cgroup(machine_id: str) -> None:
    """Take the group of a machine that is gone away."""
    base = _base()
    if base is not None:
        with suppress(OSError):
            (base / machine_id).rmdir()


@cache
def _base() -> Path | None:
    """The group in which those of machines stand; None where none can be made."""
    try:
        own = _mounted()
        # A group with processes cannot share out what it has: a manager that means us to has put us into one beneath.
        place = own.parent if _delegated(own.parent) else own
        base = place / "pileus"
        base.mkdir(exist_ok=True)
    except (OSError, LookupError) as problem:
        LOG.info("Machines have no control groups of their own: %s", problem)
        return None
    for group, controller in product((place, base), ("+memory", "+cpu", "+pids")):
        with suppress(OSError):
            (group / "cgroup.subtree_control").write_text(controller)
    return base


def _delegated(group: Path) -> bool:
    """Whether systemd leaves a group to us (`Delegate=`)."""
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            return os.getxattr(group, name) == b"1"
    return False


def _mounted() -> Path:
    """The server's own group, in the tree where groups are kept; raises LookupError."""
    own = next((line[3:] for line in _lines("/proc/self/cgroup") if line.startswith("0::")), None)
    mounts = (line.split() for line in _lines("/proc/self/mountinfo"))
    tree = next((fields[4] for fields in mounts if fields[fields.index("-") + 1] == "cgroup2"), None)
    if own is None or tree is None:
        raise LookupError("this host has no cgroup v2")
    return Path(tree) / own.lstrip("/")


def _lines(file: str) -> list[str]:
    return Path(file).read_text("utf-8").splitlines()
