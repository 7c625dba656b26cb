"""A real server in a separate process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY = "1_a-key-for-tests-0123456789abcdef"
READY = "Pileus is ready."
TIMEOUT = 20
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


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_server(data: Path, *options: str, port: int | None = None, variables: dict[str, str] | None = None) -> Server:
    """Start a server on a data directory and wait until it is ready; its log is next to the directory."""
    port = port or free_port()
    log = data.parent / f"{data.name}.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PILEUS_", "GCORE_"))}
    with log.open("a") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "pileus", "serve", "--data", str(data), "--port", str(port), *options],
            env=environment | {"PILEUS_API_KEY": KEY} | (variables or {}),
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            # The widest: the server must not depend on it.
            umask=0,
        )
    assert process.stdout is not None
    for line in process.stdout:
        if READY in line:
            return Server(process, f"http://127.0.0.1:{port}", log)
    raise AssertionError(f"the server ended with {process.wait()}: {log.read_text()[-2000:]}")


@contextmanager
def run_server(data: Path, *options: str, **variables: str) -> Iterator[Server]:
    """Run a server, and stop it at the end."""
    server = start_server(data, *options, variables=variables)
    try:
        yield server
    finally:
        server.stop()
