"""Loads: what one tenant does to keep a server from serving others. Each runs in a process of its own."""

import asyncio
import json
import multiprocessing
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

CLIENTS = 8
CONNECTIONS = 300
IMAGES = 32
SLOW_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
BIG_BODY = json.dumps({"tags": {f"key-{number}": "x" * 200 for number in range(4000)}}).encode()
VOLUME = {"name": "data", "source": "new-volume", "size": 1}


@dataclass(slots=True)
class Load:
    """A running load: the API of the tenant, its project, and the number of answers that it has got."""

    api: httpx.AsyncClient
    project_id: int
    answered: Any

    async def repeat(self, method: str, path: str, **arguments: Any) -> None:
        """Send a request again and again."""
        while True:
            answer = await self.api.request(method, path.format(place=f"{self.project_id}/1"), **arguments)
            assert answer.status_code < 500, answer.text
            self.answered.value += 1

    async def queue_tasks(self) -> None:
        """Start a task with each request."""
        await self.repeat("POST", "/cloud/v1/volumes/{place}", json=VOLUME)

    async def list_much(self) -> None:
        """List as much as one answer may contain."""
        await self.repeat("GET", "/cloud/v1/user_actions?limit=1000")

    async def send_big_bodies(self) -> None:
        """Send bodies that are almost as large as the limit, and invalid only at their end."""
        missing = "00000000-0000-4000-8000-000000000000"
        await self.repeat("PATCH", f"/cloud/v1/instances/{{place}}/{missing}", content=BIG_BODY)

    async def connect_silently(self) -> None:
        """Open connections that send nothing, again when they are closed."""
        url = self.api.base_url
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(url.host, url.port)
                await reader.read()
                writer.close()
            self.answered.value += 1

    async def download_slowly(self) -> None:
        """Download images from a server that sends a byte now and then."""

        async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(SLOW_HEAD)
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(1)

        server = await asyncio.start_server(trickle, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/image.raw"
        for _ in range(IMAGES):
            body = {"name": "slow", "url": url}
            await self.api.post(f"/cloud/v1/downloadimage/{self.project_id}/1", json=body)
            self.answered.value += 1
        await server.serve_forever()


LOADS: dict[str, tuple[Callable[[Load], Awaitable[None]], int]] = {
    "tasks": (Load.queue_tasks, CLIENTS),
    "lists": (Load.list_much, CLIENTS),
    "bodies": (Load.send_big_bodies, CLIENTS),
    "connections": (Load.connect_silently, CONNECTIONS),
    "downloads": (Load.download_slowly, 1),
}
"""What a load does, and how many times at once."""


def run_load(name: str, url: str, token: str, project_id: int, answered: Any) -> None:
    """Run a load until the process is ended, which Ctrl-C does not do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work, count = LOADS[name]

    async def main() -> None:
        headers = {"Authorization": f"APIKey {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as api:
            load = Load(api, project_id, answered)
            await asyncio.gather(*(work(load) for _ in range(count)))

    asyncio.run(main())


@contextmanager
def running_load(name: str, url: str, token: str, project_id: int) -> Iterator[Any]:
    """Run a load in a process of its own; yields the number of its answers, which grows."""
    context = multiprocessing.get_context("spawn")
    answered = context.Value("q", 0)
    process = context.Process(target=run_load, args=(name, url, token, project_id, answered), daemon=True)
    process.start()
    try:
        yield answered
        assert process.is_alive(), f"the load has ended with {process.exitcode}"
    finally:
        process.kill()
        process.join()
