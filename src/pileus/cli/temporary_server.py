"""A temporary server: on a free port, with a temporary directory and its own key."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from msgspec import Struct

from pileus.cli.commands import CommandError

HOST = "127.0.0.1"
START_TIMEOUT = 30.0


class TemporaryServer(Struct, frozen=True):
    """The address and the API key of the server."""

    url: str
    key: str


@contextmanager
def run_temporary_server(*options: str) -> Iterator[TemporaryServer]:
    """Start `pileus serve` with options, wait until it is ready, and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="pileus-") as directory:
        key, port = f"1_{secrets.token_urlsafe(24)}", _free_port()
        log = Path(directory) / "server.log"
        command = (sys.executable, "-m", "pileus", "serve", "--host", HOST, "--port", str(port), "--data", directory)
        with log.open("wb") as sink:
            server = subprocess.Popen((*command, *options), stdout=sink, stderr=sink, env=_environment(key))  # noqa: S603  # this program, no shell
        try:
            _wait_until_ready(server, f"http://{HOST}:{port}", log)
            yield TemporaryServer(f"http://{HOST}:{port}", key)
        finally:
            _stop(server)


def _environment(key: str) -> dict[str, str]:
    # Settings of the user's own server must not apply.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PILEUS_")}
    return environment | {"PILEUS_API_KEY": key}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT
    while not _is_ready(url):
        if server.poll() is not None or time.monotonic() > end:
            output = log.read_text(errors="replace").strip()
            raise CommandError(f"the server does not start; its output:\n{output}")
        time.sleep(0.05)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).is_success
    except httpx.TransportError:
        return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
