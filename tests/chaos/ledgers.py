"""What a server has acknowledged, and the comparison with what it shows after a restart."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx

GONE, EXISTS = 404, 200
BATCH = 16
"""Requests that are sent at the same time."""


@dataclass(frozen=True, slots=True)
class Creation:
    """What a task creates: its kind among the created resources, and the path of those resources."""

    kind: str
    path: str


@dataclass(slots=True)
class Value:
    """A field that one client changes; a change whose answer is missing may have been saved."""

    acknowledged: str
    sent: str


@dataclass(slots=True)
class Ledger:
    """Acknowledged changes since the last comparison.

    `remaining` counts down to `enough`: when it is reached, the event is set.
    """

    values: dict[tuple[str, str], Value] = field(default_factory=dict)
    """By path and field: `name`, or the key of a tag."""
    tasks: dict[str, Creation | None] = field(default_factory=dict)
    """Tasks, and what they create."""
    existing: set[str] = field(default_factory=set)
    """Paths of resources whose creation was acknowledged, and whose deletion was not requested."""
    deleting: set[str] = field(default_factory=set)
    """Paths of resources whose deletion was requested without an answer so far."""
    deleted: set[str] = field(default_factory=set)
    """Paths of resources whose deletion was acknowledged."""
    acknowledged: int = 0
    remaining: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, number: int) -> None:
        """Set `enough` after this number of acknowledged changes."""
        self.remaining = number
        self.enough.clear()

    def count(self, answer: httpx.Response) -> None:
        """Count an acknowledged change, and note its tasks."""
        assert answer.is_success, (answer.request.method, answer.request.url.path, answer.status_code, answer.text)
        self.acknowledged += 1
        self.remaining -= 1
        if self.remaining <= 0:
            self.enough.set()

    def note_task(self, answer: httpx.Response, creation: Creation | None = None) -> str:
        """Note the task of an answer and what it creates; return its id."""
        self.count(answer)
        (task_id,) = answer.json()["tasks"]
        self.tasks[task_id] = creation
        return str(task_id)

    async def change_value(self, client: httpx.AsyncClient, path: str, name: str, value: str) -> None:
        """Set the name or a tag of a resource, whose first value is read from the server."""
        if (path, name) not in self.values:
            current = read_value((await client.get(path)).json(), name)
            self.values[path, name] = Value(current, current)
        known = self.values[path, name]
        known.sent = value
        body = {"name": value} if name == "name" else {"tags": {name: value}}
        self.count(await client.patch(path, json=body))
        known.acknowledged = value

    async def delete(self, client: httpx.AsyncClient, path: str) -> None:
        """Delete a resource, with a task or without one."""
        self.existing.discard(path)
        self.deleting.add(path)
        answer = await client.delete(path)
        if answer.content:
            self.note_task(answer)
        else:
            self.count(answer)
        self.deleting.discard(path)
        self.deleted.add(path)

    async def compare(self, client: httpx.AsyncClient) -> list[str]:
        """Return what was lost, when no task is unfinished. Then nothing but values and `existing` is left."""
        lost = [text for batch in in_batches(self.values) for text in await self._compare_values(client, batch)]
        for batch in in_batches(self.tasks):
            lost += [text for text in await asyncio.gather(*(self._compare_task(client, id_) for id_ in batch)) if text]
        self.existing |= self.deleting - await find_with_status(client, self.deleting, GONE)
        existing = await find_with_status(client, self.existing, EXISTS)
        deleted = await find_with_status(client, self.deleted, GONE)
        lost += [f"{path} is lost" for path in self.existing - existing]
        lost += [f"{path} exists again" for path in self.deleted - deleted]
        for settled in (self.tasks, self.deleting, self.deleted):
            settled.clear()
        return lost

    async def _compare_values(self, client: httpx.AsyncClient, batch: list[tuple[str, str]]) -> list[str]:
        answers = await asyncio.gather(*(client.get(path) for path, _ in batch))
        lost = []
        for (path, name), answer in zip(batch, answers, strict=True):
            current = read_value(answer.json(), name)
            known = self.values[path, name]
            if current not in (known.acknowledged, known.sent):
                lost.append(f"{name} of {path} is {current!r}, not {known}")
            self.values[path, name] = Value(current, current)
        return lost

    async def _compare_task(self, client: httpx.AsyncClient, task_id: str) -> str:
        task = (await client.get(f"/cloud/v1/tasks/{task_id}")).json()
        if task.get("state") != "FINISHED":
            return f"task {task_id}: {task}"
        if creation := self.tasks[task_id]:
            (resource_id,) = task["created_resources"][creation.kind]
            path = f"{creation.path}/{resource_id}"
            if path not in self.deleted | self.deleting:
                self.existing.add(path)
        return ""


def in_batches(items: Any) -> list[list[Any]]:
    """Return the items in lists of BATCH."""
    ordered = list(items)
    return [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]


def read_value(view: dict[str, Any], name: str) -> str:
    """Return the name of a resource, or the value of a tag; an empty text if it has no such tag."""
    if name == "name":
        return str(view["name"])
    return next((str(tag["value"]) for tag in view["tags"] if tag["key"] == name), "")


async def find_with_status(client: httpx.AsyncClient, paths: set[str], status: int) -> set[str]:
    """Return the paths of the resources whose lookup has a status."""
    with_status = set()
    for batch in in_batches(paths):
        answers = await asyncio.gather(*(client.get(path) for path in batch))
        with_status |= {path for path, answer in zip(batch, answers, strict=True) if answer.status_code == status}
    return with_status
