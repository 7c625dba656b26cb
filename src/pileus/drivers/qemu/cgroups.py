"""Control groups (cgroup v2) of machines and load balancers, where they can be created.

They limit memory, CPU and processes.
"""

import logging
import os
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path

LOG = logging.getLogger(__name__)
OVERHEAD = 512
"""MiB that QEMU may need beside a machine's own memory, and HAProxy beside that of connections."""
PERIOD = 100_000
"""Microseconds in which a machine may use each of its vCPUs once, and half a vCPU more for its devices."""
BASE_THREADS, THREADS_PER_VCPU = 128, 4
"""Threads of a process: QEMU has up to 64 workers for disks beside its own, and aborts if it cannot create one."""


def create_cgroup(name: str, pid: int, *, vcpus: int, ram: int) -> None:
    """Put a process into a control group of its own; without the right to, it stays in the server's."""
    parent = ensure_parent_cgroup()
    if parent is None:
        return
    group = parent / name
    limits = {
        "memory.max": str((ram + OVERHEAD) << 20),
        "cpu.max": f"{vcpus * PERIOD + PERIOD // 2} {PERIOD}",
        "pids.max": str(BASE_THREADS + THREADS_PER_VCPU * vcpus),
    }
    try:
        group.mkdir(exist_ok=True)
        for file, limit in limits.items():
            if (group / file).exists():
                (group / file).write_text(limit)
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as problem:
        LOG.warning("A machine has no control group of its own", extra={"machine_id": name, "why": str(problem)})


def remove_cgroup(machine_id: str) -> None:
    """Remove the control group of a machine that has ended."""
    parent = ensure_parent_cgroup()
    if parent is not None:
        with suppress(OSError):
            (parent / machine_id).rmdir()


@cache
def ensure_parent_cgroup() -> Path | None:
    """Return the parent of the machines' groups, created if missing; None if that is not possible."""
    try:
        server_group = _own_group()
        # A group with processes cannot limit its children: a manager that delegates a group puts the server below it.
        delegated = server_group.parent if _is_delegated(server_group.parent) else server_group
        group = delegated / "pileus"
        group.mkdir(exist_ok=True)
    except (OSError, LookupError) as problem:
        LOG.info("Machines run without control groups: %s", problem)
        return None
    for parent, controller in product((delegated, group), ("+memory", "+cpu", "+pids")):
        with suppress(OSError):
            (parent / "cgroup.subtree_control").write_text(controller)
    return group


def _is_delegated(group: Path) -> bool:
    """Return whether systemd has delegated a group to the server (`Delegate=`)."""
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            return os.getxattr(group, name) == b"1"
    return False


def _own_group() -> Path:
    """Return the server's own group. Raises LookupError without cgroup v2."""
    group = next((line[3:] for line in _read_lines("/proc/self/cgroup") if line.startswith("0::")), None)
    mounts = (line.split() for line in _read_lines("/proc/self/mountinfo"))
    tree = next((fields[4] for fields in mounts if fields[fields.index("-") + 1] == "cgroup2"), None)
    if group is None or tree is None:
        raise LookupError("this host has no cgroup v2")
    return Path(tree) / group.lstrip("/")


def _read_lines(file: str) -> list[str]:
    return Path(file).read_text("utf-8").splitlines()
