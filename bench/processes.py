"""What processes use, read from /proc."""

import os
from collections.abc import Iterator
from pathlib import Path

NANOSECONDS = 1e-9


def list_process_tree(process: int) -> list[int]:
    """Return a process and all its descendants."""
    processes = [process]
    for parent in processes:
        for thread in _threads(parent):
            children = _read(thread / "children").split()
            processes.extend(int(child) for child in children)
    return processes


def read_cpu_seconds(process: int) -> float:
    """Return the CPU time of all threads of a process and its descendants."""
    times = (_read(thread / "schedstat").split() for tree in list_process_tree(process) for thread in _threads(tree))
    return sum(int(running) for running, *_ in filter(None, times)) * NANOSECONDS


def read_cpu_seconds_with_ended(process: int) -> float:
    """Return the CPU time of a process and its children, also of those that have ended, in steps of 10 ms."""
    ticks = 0
    for member in list_process_tree(process):
        fields = _read(Path(f"/proc/{member}/stat")).rpartition(")")[2].split()
        # User and system time of the process, then of its children that have ended.
        ticks += sum(map(int, fields[11 : 15 if member == process else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def parent_of(process: int) -> int:
    """Return the parent of a process of this machine. Raises FileNotFoundError if there is no such process."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def read_seconds_without_cpu(thread: Path) -> float:
    """Return how long a thread could have run, but waited for a CPU; `thread` is its directory in /proc."""
    return int(_read(thread / "schedstat").split()[1]) * NANOSECONDS


def main_thread_of(process: int) -> Path:
    """Return the directory of the main thread of a process, which runs the event loop of a server."""
    return Path(f"/proc/{process}/task/{process}")


def read_memory_mib(process: int) -> float:
    """Return the resident memory of a process and its descendants."""
    pages = sum(int(_read(Path(f"/proc/{member}/statm")).split()[1]) for member in list_process_tree(process))
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _threads(process: int) -> Iterator[Path]:
    try:
        yield from Path(f"/proc/{process}/task").iterdir()
    except FileNotFoundError:
        return


def _read(file: Path) -> str:
    """Return the content of a file, or an empty string if its thread has ended."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
