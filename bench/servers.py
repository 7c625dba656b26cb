"""The measured servers: Pileus, and the floors below it.

The floor is the HTTP server and the framework alone: the routes of Pileus, with handlers that answer canned bytes
through the quick response class. The framework finds the route, parses the parameters of the path, and reads and
validates the body. Nothing else of Pileus runs: no middleware, no authorization, no database. The bare application
answers canned bytes on the same HTTP server, without a framework.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar, delete, get, patch, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Raw

from bench.processes import read_cpu_seconds, read_memory_mib
from pileus.api.requests import BodyDecodingRequest
from pileus.api.responses import EncodedJsonResponse, JsonResponse
from pileus.api.wire.compute.instance_requests import CreateInstance, UpdateInstance
from pileus.server.connections import ConnectionLimits
from pileus.server.http_server import HttpServer, listen

KEY = "1_a-key-for-measuring-0123456789"
HEADERS = {"Authorization": f"APIKey {KEY}"}
INSTANCE = "/cloud/v1/instances/1/1/"
INSTANCES = "/cloud/v2/instances/1/1"
LIST = "/cloud/v1/instances/1/1"
ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"
ALL = "/cloud/v2/instances/{project_id:int}/{region_id:int}"
TASKS = b'{"tasks":["00000000-0000-4000-8000-000000000000"]}'
START_TIMEOUT = 60.0
FLOOR_OPTIONS: dict[str, Any] = {
    "openapi_config": None,
    "logging_config": None,
    "request_class": BodyDecodingRequest,
    "response_class": JsonResponse,
    "state": State({"legacy_fields": True, "strict": False}),
}


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `process` is its process id, and `seconds_to_ready` the time until it answered."""

    url: str
    process: int
    seconds_to_ready: float

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process and its children."""
        return read_cpu_seconds(self.process)

    def memory_mib(self) -> float:
        """Return the resident memory of the process and its children."""
        return read_memory_mib(self.process)


@contextmanager
def run_pileus(data: Path, port: int, *options: str) -> Iterator[Server]:
    """Run a Pileus server on a data directory, without logs of requests unless the options want them."""
    command = [sys.executable, "-m", "pileus", "serve", "--data", str(data), "--port", str(port)]
    with _run([*command, "--log-level", "warning", "--request-log", "off", *options], port) as server:
        yield server


@contextmanager
def run_floor(body: Path, port: int, *, bare: bool = False) -> Iterator[Server]:
    """Run the floor, or the bare application, which answer the bytes of a file."""
    command = [sys.executable, "-m", "bench.servers", str(body), str(port), *(["bare"] if bare else [])]
    with _run(command, port, path=f"{INSTANCE}x") as server:
        yield server


@contextmanager
def _run(command: list[str], port: int, path: str = "/readyz") -> Iterator[Server]:
    url, started_at = f"http://127.0.0.1:{port}", time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | {"PILEUS_API_KEY": KEY}, stdout=subprocess.DEVNULL)
    try:
        while not _answers(url + path):
            if process.poll() is not None or time.perf_counter() - started_at > START_TIMEOUT:
                raise SystemExit(f"The server did not start: {' '.join(command)}")
            time.sleep(0.005)
        yield Server(url, process.pid, time.perf_counter() - started_at)
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def make_floor(body: bytes) -> Litestar:
    """Create the application of the floor."""

    @get(ONE)
    async def read(project_id: FromPath[int], region_id: FromPath[int], instance_id: FromPath[str]) -> Raw:
        return Raw(body)

    @patch(ONE)
    async def change(
        project_id: FromPath[int],
        region_id: FromPath[int],
        instance_id: FromPath[str],
        data: JSONBody[UpdateInstance],
    ) -> Raw:
        return Raw(body)

    @post(ALL, status_code=200)
    async def create(
        project_id: FromPath[int],
        region_id: FromPath[int],
        data: JSONBody[CreateInstance],
    ) -> Raw:
        return Raw(TASKS)

    @delete(ONE, status_code=200)
    async def remove(project_id: FromPath[int], region_id: FromPath[int], instance_id: FromPath[str]) -> Raw:
        return Raw(TASKS)

    return Litestar([read, change, create, remove], **FLOOR_OPTIONS)


def make_bare(body: bytes) -> ASGIApp:
    """Create an application that answers each request with the same bytes, and looks at nothing."""
    answer = EncodedJsonResponse(200, body)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(scope, receive, send)

    return app


async def _serve(app: ASGIApp, port: int) -> None:
    server = HttpServer(app, ConnectionLimits(), websockets=False, drain_seconds=1)
    await server.serve([listen("127.0.0.1", port)])


if __name__ == "__main__":
    import uvloop

    file, listening_port, *bare = sys.argv[1:]
    content = Path(file).read_bytes()
    uvloop.run(_serve(make_bare(content) if bare else make_floor(content), int(listening_port)))
