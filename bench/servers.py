"""The servers that are measured: Pileus itself, and the floor, which is its stack with nothing behind it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from litestar import Litestar, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from prometheus_client import CollectorRegistry

from pileus.api.middleware import HttpMetrics, observe
from pileus.api.requests import Request
from pileus.api.responses import JsonResponse
from pileus.api.wire.compute.instance_requests import CreateInstance, UpdateInstance
from pileus.server.process import make_http_server
from pileus.settings import Settings

KEY = "1_a-key-for-measuring-0123456789"
ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"
MANY = "/cloud/v2/instances/{project_id:int}/{region_id:int}"
TASKS = b'{"tasks":["00000000-0000-4000-8000-000000000000"]}'
PATIENCE = 30.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Measured:
    """A server that runs, how long it took to answer, and its process."""

    url: str
    process: int
    seconds_to_ready: float

    def memory(self) -> int:
        """Resident memory of the process and its children, in KiB."""
        listed = subprocess.run(["ps", "-o", "rss=", "--ppid", str(self.process), "-p", str(self.process)],
                                capture_output=True, text=True, check=True)  # fmt: skip
        return sum(int(line) for line in listed.stdout.split())


@contextmanager
def pileus(data: Path, port: int, *options: str) -> Iterator[Measured]:
    """A Pileus server on a data directory, without a line of the log for each request."""
    command = [sys.executable, "-m", "pileus", "serve", "--data", str(data), "--port", str(port)]
    with _running([*command, "--log-level", "warning", *options], port) as server:
        yield server


@contextmanager
def floor(body: Path, port: int) -> Iterator[Measured]:
    """The floor: it reads the same requests and answers canned bytes."""
    with _running(
        [sys.executable, "-m", "bench.servers", str(body), str(port)], port, path="/cloud/v1/instances/1/1/x"
    ) as one:
        yield one


@contextmanager
def _running(command: list[str], port: int, path: str = "/readyz") -> Iterator[Measured]:
    url, began = f"http://127.0.0.1:{port}", time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | {"PILEUS_API_KEY": KEY}, stdout=subprocess.DEVNULL)
    try:
        while not _answers(url + path):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise SystemExit(f"The server did not start: {' '.join(command)}")
            time.sleep(0.005)
        yield Measured(url, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def floor_of(body: bytes) -> Litestar:
    """Pileus' own stack around handlers that do nothing."""
    canned = type("Canned", (JsonResponse,), {})

    @get(ONE)
    async def read(
        project_id: FromPath[int], region_id: FromPath[int], instance_id: FromPath[str]
    ) -> JsonResponse[bytes]:
        return canned(body, media_type="application/octet-stream")

    @patch(ONE)
    async def change(
        project_id: FromPath[int],
        region_id: FromPath[int],
        instance_id: FromPath[str],
        data: JSONBody[UpdateInstance],
    ) -> JsonResponse[bytes]:
        return canned(body, media_type="application/octet-stream")

    @post(MANY, status_code=200)
    async def create(
        project_id: FromPath[int],
        region_id: FromPath[int],
        data: JSONBody[CreateInstance],
    ) -> JsonResponse[bytes]:
        return canned(TASKS, media_type="application/json")

    @delete(ONE, status_code=200)
    async def remove(
        project_id: FromPath[int], region_id: FromPath[int], instance_id: FromPath[str]
    ) -> JsonResponse[bytes]:
        return canned(TASKS, media_type="application/json")

    app = Litestar([read, change, create, remove], request_class=Request, openapi_config=None, logging_config=None)
    app.asgi_handler = observe(app.asgi_handler, HttpMetrics(CollectorRegistry()))
    return app


async def _serve(body: bytes, port: int) -> None:
    await make_http_server(floor_of(body), Settings(port=port), websockets=False).serve()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(Path(sys.argv[1]).read_bytes(), int(sys.argv[2])))
