"""A server for a while: on a free port, in a directory that is gone afterwards, with a key of its own."""

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

from pileus.cli.formatting import Failure

HOST = "127.0.0.1"
PATIENCE = 30.0


class Trial(Struct, frozen=True):
    """Where the server is, and what opens it."""

    url: str
    key: str


@contextmanager
def trial(*options: str) -> Iterator[Trial]:
    """Start `pileus serve` with further options, wait until it is ready, and stop it in the end."""
    with tempfile.TemporaryDirectory(prefix="pileus-") as directory:
        key, port = f"1_{secrets.token_urlsafe(24)}", _free_port()
        log = Path(directory) / "server.log"
        command = (sys.executable, "-m", "pileus", "serve", "--host", HOST, "--port", str(port), "--data", directory)
        with log.open("wb") as sink:
            server = subprocess.Popen((*command, *options), stdout=sink, stderr=sink, env=_environment(key))  # noqa: S603  # ourselves
        try:
            _wait(server, f"http://{HOST}:{port}", log)
            yield Trial(f"http://{HOST}:{port}", key)
        finally:
            _stop(server)


def _environment(key: str) -> dict[str, str]:
    # The settings of the user's own server are not this one's.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PILEUS_")}
    return kept | {"PILEUS_API_KEY": key}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not _is_ready(url):
        if server.poll() is not None or time.monotonic() > end:
            said = log.read_text(errors="replace").strip()
            raise Failure(f"the server does not start; it said:\n{said}")
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
