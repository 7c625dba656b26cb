"""Checks before a server starts: a free port and an exclusive data directory. Start errors for people."""

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

from pileus.cells import NoTenants
from pileus.domain.errors import Invalid, Unavailable
from pileus.driver_homes import ForeignDriverHome
from pileus.drivers.registry import UnknownDriver
from pileus.initial_data import ForeignCell
from pileus.region_drivers import ChangedRegionDriver
from pileus.setting_fields import SettingError
from pileus.settings import Settings
from pileus.store.database import DatabaseInUse, DatabaseNewerThanProgram, DatabaseUnreachable
from pileus.store.secrets import SecretsKeyError

LOCK_FILE = "serve.lock"


class StartError(Exception):
    """The server cannot start. The message is one line and says what to do."""


@contextmanager
def explain_start_errors(settings: Settings) -> Iterator[None]:
    """Turn errors of a start into StartError, or into SettingError for a wrong setting."""
    try:
        yield
    except Invalid as problem:
        raise SettingError(f"{settings.catalogue}: {problem.message}") from problem
    except UnknownDriver as problem:
        raise SettingError(f"--driver: {problem}") from problem
    except (
        DatabaseInUse,
        DatabaseNewerThanProgram,
        SecretsKeyError,
        ForeignDriverHome,
        ChangedRegionDriver,
        ForeignCell,
        NoTenants,
        Unavailable,
    ) as problem:
        raise StartError(str(problem)) from problem
    except DatabaseUnreachable as problem:
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


def resolve_host(host: str) -> str:
    """Resolve a host name to an address. Raises StartError."""
    try:
        results = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise StartError(f"Cannot listen on {host}: {problem.strerror}: choose another with --host") from problem
    return str(results[0][4][0])


def check_ports_are_free(settings: Settings) -> None:
    """Check that nothing listens on the server's ports, which its sockets would share silently.

    Raises StartError, or SettingError if the two ports are the same.
    """
    if settings.health_port == settings.port:
        raise SettingError(f"--health-port: port {settings.port} is that of the API (--port): choose another")
    address = resolve_host(settings.host)
    _check_port_is_free(address, settings.port, "--port", settings.host)
    if settings.health_port:
        _check_port_is_free(address, settings.health_port, "--health-port", settings.host)


def _check_port_is_free(address: str, port: int, option: str, host: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with explain_port_errors(host, port, option):
            probe.bind((address, port))


@contextmanager
def explain_port_errors(host: str, port: int, option: str) -> Iterator[None]:
    """Turn errors of binding a port into StartError, which names the port and its option."""
    try:
        yield
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise StartError(f"Port {port} on {host} is taken: stop what listens there, or use {option}") from problem
        reason = f"{problem.strerror}: choose another address with --host, or another port with {option}"
        raise StartError(f"Cannot listen on {host}, port {port}: {reason}") from problem


@contextmanager
def lock_data_directory(settings: Settings) -> Iterator[int | None]:
    """Lock the data directory if the database is in it. Yields the descriptor of the lock file. Raises StartError.

    The lock lasts as long as any process that has inherited the descriptor. A crash cannot leave it behind.
    """
    if settings.database:
        yield None
        return
    lock = os.open(settings.data / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock_file(lock, settings.data)
        yield lock
    finally:
        os.close(lock)


def _lock_file(lock: int, data: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        holder = os.read(lock, 20).decode(errors="replace").strip()
        raise StartError(
            f"Another server (process {holder}) works on {data}: stop it, or choose another directory with --data"
        ) from problem
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())


def stop_after_failure(start: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    """Stop the server if what completes its start has failed."""
    if not start.cancelled() and start.exception():
        stop.set()


def raise_failure(start: "asyncio.Task[None]") -> None:
    """Raise the error of what completes the start, if it has failed."""
    if not start.cancelled():
        start.result()


def install_stop_signals() -> asyncio.Event:
    """Return an event that SIGINT, SIGTERM and SIGHUP set.

    SIGHUP comes when a terminal closes. `nohup` has it ignored, which stays so.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN or number != signal.SIGHUP:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
