"""A PostgreSQL server of a test's own, which the test restarts as a crash would."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg
import pytest

from tests.servers import free_port, wait_until

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@dataclass(slots=True)
class Primary:
    """A server that waits for the disk at each COMMIT. Its database is empty at first."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"postgresql://pileus@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Create the files of the server."""
        arguments = ("--username", "pileus", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
        subprocess.run(
            (_find_program("initdb"), "--pgdata", self.folder / "data", *arguments),
            check=True, capture_output=True, cwd=self.folder, **_as_user(),
        )  # fmt: skip

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = ("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-k", str(self.folder))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                (_find_program("postgres"), "-D", self.folder / "data", "-p", str(self.port), *options),
                stdout=log, stderr=log, cwd=self.folder, process_group=0, **_as_user(),
            )  # fmt: skip
        wait_until(self._answers)

    def crash(self) -> None:
        """End the server at once: what a COMMIT has not written is lost."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def run_primary() -> Iterator[Primary]:
    """Run a server, and remove it at the end. Skips the test if PostgreSQL is not installed."""
    if not BINARIES and not shutil.which("initdb"):
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    primary = Primary(Path(mkdtemp(prefix="pileus-primary-")))
    if os.getuid() == 0:
        os.chown(primary.folder, pwd.getpwnam("postgres").pw_uid, -1)
    try:
        primary.create()
        primary.start()
        yield primary
    finally:
        primary.crash()
        shutil.rmtree(primary.folder)


def _find_program(name: str) -> str:
    return str(BINARIES[-1].with_name(name)) if BINARIES else str(shutil.which(name))


def _as_user() -> dict[str, Any]:
    """Return the arguments that run a process as another user than root, whom PostgreSQL refuses."""
    return {"user": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
