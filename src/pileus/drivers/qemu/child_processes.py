"""Processes on this host: those that this server has started, and those that an earlier one has started."""

from pathlib import Path
from subprocess import Popen

from pileus.drivers.qemu.machine_records import MachineRecord

START_TIME = 19
"""Index of the start time among the fields that `process_stat` returns."""


class ChildProcesses:
    """The child processes of this server by name: a machine's id, or the name of another program."""

    def __init__(self) -> None:
        self.by_name: dict[str, Popen[bytes]] = {}

    def track(self, name: str, child: Popen[bytes]) -> None:
        """Add a child, in place of an earlier one of the same name."""
        self.wait_and_untrack(name)
        self.by_name[name] = child

    def wait_and_untrack(self, name: str) -> None:
        """Remove a child that is about to end, and wait for that."""
        if (child := self.by_name.pop(name, None)) is not None:
            child.wait()

    def exit_code(self, name: str) -> int | None:
        """Return the exit code of a child; None if it runs or is no child of this server."""
        child = self.by_name.get(name)
        return child.poll() if child else None

    def is_running(self, record: MachineRecord | None) -> bool:
        """Return whether the process of a machine runs; a later process with the same number does not count."""
        return record is not None and self.is_same_running(record.machine.id, record.pid, record.started)

    def is_same_running(self, name: str, pid: int | None, started: str | None) -> bool:
        """Return whether the process runs that was started at a time, in ticks since the host's boot."""
        if pid is None:
            return False
        child = self.by_name.get(name)
        if child is not None and child.pid == pid:
            # Its first thread may have ended while others still run: only the parent knows.
            return child.poll() is None
        fields = process_stat(pid)
        return fields is not None and fields[0] != "Z" and fields[START_TIME] == started

    def leave_all_running(self) -> None:
        """Leave all children running when the server ends."""
        for child in self.by_name.values():
            # Without a return code, Python warns about a process that was not waited for.
            child.returncode = child.poll() or 0


def process_start_time(pid: int) -> str | None:
    """Return when a process was started, in clock ticks since the host's boot; None if it is gone."""
    fields = process_stat(pid)
    return fields[START_TIME] if fields else None


def process_stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the state on: the name before it may contain blanks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
