"""The servers that the user runs on this machine, so that commands find them without options.

Each server has a file in a directory that only its user can use, and keeps it locked as long as it runs: a file without
a lock is of a server that has died.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from pileus.private_files import read_key_file
from pileus.settings import Settings


class RunningServer(Struct, frozen=True, kw_only=True):
    """The settings by which commands reach a server. A database may have a password, so it is not written down."""

    data: str
    """The data directory, without links and relative parts: commands may name it in another way."""
    host: str
    port: int
    public_url: str
    catalogue: str
    has_database: bool

    @property
    def url(self) -> str:
        """The address of the server."""
        return Settings(host=self.host, port=self.port, public_url=self.public_url).base_url

    def read_key(self) -> str:
        """Return the operator's key that the first start has written, or an empty text if it cannot be read."""
        return read_key_file(Path(self.data))


@contextmanager
def register_server(settings: Settings) -> Iterator[None]:
    """Let commands find the server until the context ends. Without a safe directory this does nothing."""
    directory = _safe_directory(create=True)
    if directory is None:
        yield
        return
    path = directory / f"{os.getpid()}.json"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(msgspec.json.encode(_describe(settings)))
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def list_running_servers() -> list[RunningServer]:
    """Return the servers that the user runs on this machine, and remove the files of those that have died."""
    directory = _safe_directory()
    servers = [_read_server(path) for path in sorted(directory.glob("*.json"))] if directory else []
    return [server for server in servers if server is not None]


def _describe(settings: Settings) -> RunningServer:
    return RunningServer(
        data=os.path.realpath(settings.data),
        host=settings.host,
        port=settings.port,
        public_url=settings.public_url,
        catalogue=str(Path(settings.catalogue).absolute()) if settings.catalogue else "",
        has_database=bool(settings.database),
    )


def _safe_directory(*, create: bool = False) -> Path | None:
    """Return the directory of the files, or None if there is none, or another user could write to it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    directory = Path(runtime) / "pileus" if runtime else Path(tempfile.gettempdir()) / f"pileus-{os.getuid()}"
    with suppress(OSError):
        if create:
            directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077:
            return directory
    return None


def _read_server(path: Path) -> RunningServer | None:
    with suppress(FileNotFoundError, msgspec.DecodeError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return msgspec.json.decode(file.read(), type=RunningServer)
        path.unlink(missing_ok=True)
    return None
