"""A real server in a separate process."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.app_settings import CHECKED

KEY = "1_a-key-for-tests-0123456789abcdef"
READY = "Pileus is ready."
PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
TIMEOUT = 60
"""Seconds to wait for a server to start or to stop."""


@dataclass(slots=True)
class Server:
    """A running `pileus serve`."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables of clients."""
        return {
            "GCORE_BASE_URL": self.url,
            "GCORE_API_KEY": KEY,
            "GCORE_CLOUD_PROJECT_ID": "1",
            "GCORE_CLOUD_REGION_ID": "1",
        }

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait, and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(TIMEOUT)
        if self.process.stdout:
            self.process.stdout.close()
        return code

    def kill(self) -> None:
        """Kill the server and its workers at once, as a loss of power would."""
        for pid in (self.process.pid, *list_descendants(self.process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.stop(signal.SIGKILL)

    def measure_memory(self) -> float:
        """Return the memory that the server and its workers use, in MiB."""
        pids = (self.process.pid, *list_descendants(self.process.pid))
        return sum(map(_measure_resident_memory, pids)) / (1 << 20)


def list_descendants(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started, and those that they have started."""
    children: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (thread / "children").read_text().split())
    return [*children, *(descendant for child in children for descendant in list_descendants(child))]


def _measure_resident_memory(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_SIZE
    return 0


_PORTS = iter(random.SystemRandom().sample(range(16_384, 32_768), 16_384))
"""Below the range from which Linux takes the ports of clients: none takes a port before the server that it is for."""


def free_port() -> int:
    """Return a free TCP port, which no other call returns."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def spawn_server(
    data: Path,
    *options: str,
    port: int | None = None,
    variables: dict[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Server:
    """Begin to start a server on a data directory; its log is next to the directory. A prefix runs its command."""
    port = port or free_port()
    log = data.parent / f"{data.name}.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PILEUS_", "GCORE_"))}
    with log.open("a") as sink:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "pileus", "serve", "--data", str(data), "--port", str(port), *options],
            env=environment | CHECKED | {"PILEUS_API_KEY": KEY} | (variables or {}),
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            # The widest: the server must not depend on it.
            umask=0,
            # Ctrl-C reaches only the tests, which stop their servers.
            process_group=0,
        )
    return Server(process, f"http://127.0.0.1:{port}", log)


def start_server(
    data: Path,
    *options: str,
    port: int | None = None,
    variables: dict[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Server:
    """Start a server on a data directory and wait until it is ready."""
    server = spawn_server(data, *options, port=port, variables=variables, prefix=prefix)
    wait_until_ready(server)
    return server


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds. Raises AssertionError after a while."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def wait_until_ready(server: Server) -> None:
    """Wait until a server is ready. Raises AssertionError if it ends before."""
    assert server.process.stdout is not None
    if not any(READY in line for line in server.process.stdout):
        raise AssertionError(f"the server ended with {server.process.wait()}: {server.log.read_text()[-2000:]}")


@contextmanager
def run_server(data: Path, *options: str, **variables: str) -> Iterator[Server]:
    """Run a server, and stop it at the end."""
    server = start_server(data, *options, variables=variables)
    try:
        yield server
    finally:
        server.stop()
