"""The measured servers: Pileus, and the baseline, which is the same HTTP stack without any logic."""

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
from prometheus_client import CollectorRegistry

from pileus.api.middleware import ServerMetrics, instrument_requests
from pileus.api.requests import BodyDecodingRequest
from pileus.api.responses import JsonResponse
from pileus.api.wire.compute.instance_requests import CreateInstance, UpdateInstance
from pileus.server.connections import ConnectionLimits
from pileus.server.http_server import HttpServer, listen

KEY = "1_a-key-for-measuring-0123456789"
INSTANCE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"
INSTANCES = "/cloud/v2/instances/{project_id:int}/{region_id:int}"
TASKS = b'{"tasks":["00000000-0000-4000-8000-000000000000"]}'
START_TIMEOUT = 30.0
BASELINE_OPTIONS: dict[str, Any] = {
    "openapi_config": None,
    "logging_config": None,
    "state": State({"legacy_fields": True}),
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

    def memory(self) -> int:
        """Return the resident memory of the process and its children in KiB."""
        result = subprocess.run(["ps", "-o", "rss=", "--ppid", str(self.process), "-p", str(self.process)],
                                capture_output=True, text=True, check=True)  # fmt: skip
        return sum(int(line) for line in result.stdout.split())


@contextmanager
def run_pileus(data: Path, port: int, *options: str) -> Iterator[Server]:
    """Run a Pileus server on a data directory, without request logs."""
    command = [sys.executable, "-m", "pileus", "serve", "--data", str(data), "--port", str(port)]
    with _run([*command, "--log-level", "warning", *options], port) as server:
        yield server


@contextmanager
def run_baseline(body: Path, port: int) -> Iterator[Server]:
    """Run the baseline, which parses the same requests and answers fixed bytes."""
    with _run(
        [sys.executable, "-m", "bench.servers", str(body), str(port)], port, path="/cloud/v1/instances/1/1/x"
    ) as server:
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


class FixedResponse(JsonResponse[bytes]):
    """A response of fixed bytes, which takes the way of all other responses."""


def make_baseline(body: bytes) -> Litestar:
    """Create the application of the baseline: the HTTP stack of Pileus with handlers that do nothing."""

    @get(INSTANCE)
    async def read(
        project_id: FromPath[int], region_id: FromPath[int], instance_id: FromPath[str]
    ) -> JsonResponse[bytes]:
        return FixedResponse(body, media_type="application/octet-stream")

    @patch(INSTANCE)
    async def change(
        project_id: FromPath[int],
        region_id: FromPath[int],
        instance_id: FromPath[str],
        data: JSONBody[UpdateInstance],
    ) -> JsonResponse[bytes]:
        return FixedResponse(body, media_type="application/octet-stream")

    @post(INSTANCES, status_code=200)
    async def create(
        project_id: FromPath[int],
        region_id: FromPath[int],
        data: JSONBody[CreateInstance],
    ) -> JsonResponse[bytes]:
        return FixedResponse(TASKS, media_type="application/json")

    @delete(INSTANCE, status_code=200)
    async def remove(
        project_id: FromPath[int], region_id: FromPath[int], instance_id: FromPath[str]
    ) -> JsonResponse[bytes]:
        return FixedResponse(TASKS, media_type="application/json")

    app = Litestar([read, change, create, remove], request_class=BodyDecodingRequest, **BASELINE_OPTIONS)
    app.asgi_handler = instrument_requests(app.asgi_handler, ServerMetrics(CollectorRegistry()))
    return app


async def _serve(body: bytes, port: int) -> None:
    server = HttpServer(make_baseline(body), ConnectionLimits(), websockets=False, drain_seconds=1)
    await server.serve([listen("127.0.0.1", port)])


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(Path(sys.argv[1]).read_bytes(), int(sys.argv[2])))
