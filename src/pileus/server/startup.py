"""What must be so before a server starts (its port and data directory are its own), and how it says what is amiss."""

import asyncio
import errno
import fcntl
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pileus.domain.errors import Invalid
from pileus.drivers.registry import UnknownDriver
from pileus.settings import SettingError, Settings
from pileus.store.database import NewerDatabase, Unreachable

LOCK_FILE = "serve.lock"


class StartError(Exception):
    """The server cannot start; the message is one line, with what to do about it."""


@contextmanager
def friendly_errors(settings: Settings) -> Iterator[None]:
    """Tell what may go wrong at a start in words for people; raises StartError, or SettingError for a wrong setting."""
    try:
        yield
    except Invalid as problem:
        raise SettingError(f"{settings.catalogue}: {problem.message}") from problem
    except UnknownDriver as problem:
        raise SettingError(f"--driver: {problem}") from problem
    except NewerDatabase as problem:
        raise StartError(str(problem)) from problem
    except Unreachable as problem:
        raise StartError(f"{problem}: start PostgreSQL, or check --database") from problem
    except sqlite3.Error as problem:
        raise StartError(
            f"The files in {settings.data} cannot be used: {problem}: choose another with --data"
        ) from problem
    except OSError as problem:
        if problem.filename is None:
            raise StartError(str(problem)) from problem
        reason = "it is not a directory" if isinstance(problem, FileExistsError) else problem.strerror
        raise StartError(f"{problem.filename} cannot be used: {reason}: choose another with --data") from problem


def address_of(host: str) -> str:
    """The address that a host's name stands for."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise StartError(f"Cannot listen on {host}: {problem.strerror}: choose another with --host") from problem
    return str(found[0][4][0])


def claim_port(host: str, port: int) -> None:
    """Make sure that nobody listens there, as the server's own socket would share the port silently."""
    address = address_of(host)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                raise StartError(f"Port {port} on {host} is taken: stop what listens there, or use --port") from problem
            reason = f"{problem.strerror}: choose another address with --host, or another port with --port"
            raise StartError(f"Cannot listen on {host}, port {port}: {reason}") from problem


@contextmanager
def lock_data_directory(settings: Settings) -> Iterator[int | None]:
    """Keep every other server off the data directory, where the database is in it; what holds the lock is yielded.

    The lock is the file's, so it lives as long as a process that has inherited it, and no crash leaves it behind.
    """
    if settings.database:
        yield None
        return
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(settings.data / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(lock, settings.data)
        yield lock
    finally:
        os.close(lock)


def _take(lock: int, data: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        holder = os.read(lock, 20).decode(errors="replace").strip()
        raise StartError(
            f"Another server (process {holder}) works on {data}: stop it, or choose another directory with --data"
        ) from problem
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())


def stop_signals() -> asyncio.Event:
    """What is set when this process is told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
