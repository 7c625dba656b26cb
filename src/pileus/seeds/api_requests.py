"""The requests by which a seed file is applied, as a client of the public API."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import httpx

from pileus.seeds.files import SeedEntry, SeedError, join_path

LOG = logging.getLogger("pileus.server")
UNFINISHED = ("NEW", "RUNNING")
POLL_SECONDS = 0.05


async def list_all(http: httpx.AsyncClient, path: str, **filters: Any) -> list[dict[str, Any]]:
    """Return all items of a list. Raises SeedError."""
    items: list[dict[str, Any]] = []
    while True:
        response = await http.get(path, params=filters | ({"offset": len(items)} if items else {}))
        if not response.is_success:
            raise SeedError(f"{path}: {response.status_code} {response.text}")
        page = response.json()
        items += page["results"]
        if not page["results"] or len(items) >= page["count"]:
            return items


async def create(http: httpx.AsyncClient, path: str, entry: SeedEntry, body: Any) -> Any:
    """Send the request that creates an entry, and return the answer. Raises SeedError with the place in the file."""
    response = await http.post(path, json=body)
    if response.is_success:
        return response.json()
    answer = response.json()
    errors = list(_field_errors(answer.get("invalid_fields") or {}, ()))
    if errors:
        names, text = errors[0]
        raise SeedError(f"{join_path(entry.path, names)}: {text}")
    raise SeedError(f"{entry.path}: {answer.get('message') or response.text}")


async def wait_for_task(http: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    """Return a task when it has ended. Raises SeedError."""
    while True:
        response = await http.get(f"/cloud/v1/tasks/{task_id}")
        if not response.is_success:
            raise SeedError(f"task {task_id}: {response.status_code} {response.text}")
        task: dict[str, Any] = response.json()
        if task["state"] not in UNFINISHED:
            return task
        await asyncio.sleep(POLL_SECONDS)


async def wait_for_unfinished_tasks(http: httpx.AsyncClient, project_id: int) -> None:
    """Wait for the tasks of a project that a start, which was interrupted, has left: they lock what they create."""
    tasks = await list_all(http, "/cloud/v1/tasks", state=UNFINISHED, project_id=project_id, limit=1000)
    if tasks:
        LOG.info("The seed file waits for unfinished tasks", extra={"tasks": len(tasks), "project_id": project_id})
    for task in tasks:
        await wait_for_task(http, task["id"])


def _field_errors(errors: Any, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(errors, dict):
        for name, inner in errors.items():
            yield from _field_errors(inner, (*names, *str(name).split(".")))
    else:
        yield names, ", ".join(map(str, errors)) if isinstance(errors, list) else str(errors)
