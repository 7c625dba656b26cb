"""Measure what grows: bytes of the SQLite file for each request and instance, and memory of the server."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench.population import instance_id, order_body, populate
from bench.servers import KEY, free_port, run_pileus

INSTANCES, PATCHES, CREATIONS = 10_000, 5_000, 500
CONNECTIONS = 16
INSTANCES_PATH = "/cloud/v1/instances/1/1"
SIZES = """
SELECT coalesce(m.tbl_name, d.name), sum(d.pgsize) FROM dbstat d LEFT JOIN sqlite_master m ON m.name = d.name
GROUP BY 1
"""
GROWING = ("user_actions", "tasks", "usage_records", "tags", "instances", "volumes", "ports", "addresses")

PAGE = 1000

Sizes = dict[str, int]
Request = tuple[str, str, str]
"""Method, path and body."""


def table_sizes(data: Path) -> Sizes:
    """Return the bytes of each table with its indexes, and of all together as `total`."""
    with closing(sqlite3.connect(data / "pileus.db")) as db:
        sizes = dict(db.execute(SIZES).fetchall())
    return {**sizes, "total": sum(sizes.values())}


def growth(before: Sizes, after: Sizes, count: int) -> dict[str, int]:
    """Return the bytes by which each table has grown, for each of so many requests."""
    return {name: round((after.get(name, 0) - before.get(name, 0)) / count) for name in ("total", *GROWING)}


async def send(url: str, requests: Iterable[Request]) -> list[httpx.Response]:
    """Send requests over a few connections; return the answers in order."""
    headers = {"Authorization": f"APIKey {KEY}", "Content-Type": "application/json"}
    free = asyncio.Semaphore(CONNECTIONS)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:

        async def send_one(method: str, path: str, body: str) -> httpx.Response:
            async with free:
                answer = await client.request(method, path, content=body or None)
            return answer.raise_for_status()

        return list(await asyncio.gather(*(send_one(*request) for request in requests)))


async def finish_tasks(url: str, answers: list[httpx.Response]) -> list[str]:
    """Wait for the tasks of answers; return the ids of the instances that they have created."""
    created: list[str] = []
    waiting = [answer.json()["tasks"][0] for answer in answers]
    while waiting:
        requests = [("GET", f"/cloud/v1/tasks/{task_id}", "") for task_id in waiting]
        tasks = [answer.json() for answer in await send(url, requests)]
        waiting = [task["id"] for task in tasks if task["finished_on"] is None]
        for task in tasks:
            created += (task["created_resources"] or {}).get("instances", [])
    return created


def measure(data: Path) -> tuple[dict[str, Sizes], dict[str, float]]:
    """Return the growth in bytes by cause, and the memory in MiB by moment."""
    port = free_port()
    memory: dict[str, float] = {}
    causes: dict[str, Sizes] = {}
    with run_pileus(data, port) as server:
        memory["idle"] = server.memory_mib()
    sizes = [table_sizes(data)]

    def record(cause: str, count: int) -> None:
        sizes.append(table_sizes(data))
        causes[cause] = growth(sizes[-2], sizes[-1], count)

    populate(data, INSTANCES)
    record(f"each of {INSTANCES:,} instances", INSTANCES)
    with run_pileus(data, port) as server:
        asyncio.run(send(server.url, [patch_request(number) for number in range(PATCHES)]))
        record("each PATCH", PATCHES)
        order = ("POST", INSTANCES_PATH.replace("v1", "v2"), order_body())
        created = asyncio.run(finish_tasks(server.url, asyncio.run(send(server.url, [order] * CREATIONS))))
        record("each creation", CREATIONS)
        deletions = [("DELETE", f"{INSTANCES_PATH}/{created_id}", "") for created_id in created]
        asyncio.run(finish_tasks(server.url, asyncio.run(send(server.url, deletions))))
        record("each deletion", CREATIONS)
        memory["after these requests"] = server.memory_mib()
        asyncio.run(send(server.url, [page_request(offset) for offset in range(0, INSTANCES, PAGE)]))
        memory[f"after {INSTANCES // PAGE} lists of {PAGE:,} at once"] = server.memory_mib()
    return causes, memory


def patch_request(number: int) -> Request:
    """Return a request that changes one tag of an instance."""
    return "PATCH", f"{INSTANCES_PATH}/{instance_id(number % INSTANCES)}", f'{{"tags":{{"env":"v{number}"}}}}'


def page_request(offset: int) -> Request:
    """Return a request for a page of instances."""
    return "GET", f"{INSTANCES_PATH}?limit={PAGE}&offset={offset}", ""


def main() -> None:
    """Measure in a temporary directory and print two tables."""
    with tempfile.TemporaryDirectory() as folder:
        causes, memory = measure(Path(folder))
    table = Table("bytes in the file", "total", *GROWING)
    for cause, sizes in causes.items():
        table.add_row(cause, *(f"{size:,}" for size in sizes.values()))
    console = Console(width=160)
    console.print(table)
    for moment, size in memory.items():
        console.print(f"memory, {moment}: {size:.0f} MiB")


if __name__ == "__main__":
    main()
