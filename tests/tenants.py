"""A new tenant for a test: a project, an API key of each role, and clients that validate every answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from gcore import AsyncGcore

from pileus.api.immediate_answers import ImmediateAnswer
from pileus.app import RunningCloud
from pileus.domain.account.access import Role
from pileus.domain.account.api_keys import ApiKey, hash_api_token
from pileus.domain.account.projects import Project
from pileus.server.process import find_immediate_answers, find_kept_answers
from pileus.services.account.api_keys import generate_api_token
from pileus.settings import Settings
from pileus.store import counters
from pileus.store.account import api_keys, clients, projects
from pileus.store.database import Tx
from tests.contract.documents import check_answer

REGION = 1
ENDED = ("FINISHED", "ERROR")


# asyncio describes what a fixture returns each time that it runs a coroutine: a short description is fast.
@dataclass(slots=True, repr=False)
class Tenant:
    """A client with one project in region 1; `api` authenticates as administrator, `sdk` is the official client."""

    running: RunningCloud
    client_id: int
    project_id: int
    tokens: dict[Role, str]
    api: httpx.AsyncClient
    sdk: AsyncGcore
    clients: dict[Role, httpx.AsyncClient] = field(default_factory=dict)

    @property
    def operator(self) -> httpx.AsyncClient:
        """Return the client of an operator who belongs to the tenant."""
        return self.clients[Role.OPERATORS]

    @property
    def place_path(self) -> str:
        """Return the part of paths that names the place: `{project_id}/{region_id}`."""
        return f"{self.project_id}/{REGION}"

    def path(self, noun: str, *rest: str, version: int = 1) -> str:
        """Return a path in the tenant's project: `/cloud/v1/{noun}/{project_id}/{region_id}/…`."""
        return "/".join((f"/cloud/v{version}/{noun}/{self.place_path}", *rest))

    async def wait_for_task(self, task_id: str) -> dict[str, Any]:
        """Wait until a task has finished or failed, and return it."""
        while True:
            task = (await self.api.get(f"/cloud/v1/tasks/{task_id}")).json()
            if task["state"] in ENDED:
                return dict(task)
            await asyncio.sleep(0.002)

    async def wait_until_finished(self, answer: httpx.Response) -> dict[str, Any]:
        """Wait until the only task of an answer has finished, and return it. Raises AssertionError if it fails."""
        assert answer.status_code == 200, answer.text
        (task_id,) = answer.json()["tasks"]
        task = await self.wait_for_task(task_id)
        assert task["state"] == "FINISHED", task["error"]
        return task


def client_of(running: RunningCloud, token: str | None) -> httpx.AsyncClient:
    """Create an in-process HTTP client that validates every answer against the contracts."""

    async def validate(response: httpx.Response) -> None:
        await response.aread()
        check_answer(response.request.method, response.request.url.path, response.status_code, response.content)

    headers = {"Authorization": f"APIKey {token}"} if token else {}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(answer_at_once_first(running), raise_app_exceptions=False),
        base_url="http://pileus.test",
        headers=headers,
        event_hooks={"response": [validate]},
    )


def answer_at_once_first(running: RunningCloud) -> Any:
    """Wrap the application of a cloud: answer GETs from memory where the HTTP server does."""
    app, answer_immediately = cast("Any", running.app), find_immediate_answers(Settings(), running)
    find_answer = find_kept_answers(Settings(), running)

    async def find(scope: Any) -> ImmediateAnswer | None:
        if scope["method"] != "GET":
            return None
        if find_answer is not None:
            return await find_answer(scope)
        return answer_immediately(scope) if answer_immediately and not scope["query_string"] else None

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        answer = await find(scope)
        if answer is None:
            await app(scope, receive, send)
            return
        lines = [line.partition(b": ") for line in answer.fields.removesuffix(b"\r\n").split(b"\r\n")]
        headers = [(name, value) for name, _, value in lines]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    return handle


@asynccontextmanager
async def new_tenant(running: RunningCloud) -> AsyncIterator[Tenant]:
    """Add a tenant to a running cloud."""
    client_id, project_id, tokens = await running.app_state.db.write(_add_tenant)
    async with client_of(running, tokens[Role.ADMINISTRATORS]) as api:
        yield Tenant(
            running,
            client_id,
            project_id,
            tokens,
            api,
            AsyncGcore(
                base_url="http://pileus.test",
                api_key=tokens[Role.ADMINISTRATORS],
                cloud_project_id=project_id,
                cloud_region_id=REGION,
                http_client=api,
                max_retries=0,
                _strict_response_validation=True,
            ),
            {role: client_of(running, token) for role, token in tokens.items()},
        )


async def _add_tenant(tx: Tx) -> tuple[int, int, dict[Role, str]]:
    client_id = 1000 + await counters.increment(tx, "test_clients")
    await clients.add(tx, client_id, f"client-{client_id}", 0)
    await clients.add_user(tx, client_id, client_id, f"user-{client_id}@example.com", 0)
    project_id = await counters.increment(tx, "projects")
    await projects.add(tx, Project(id=project_id, client_id=client_id, name="default", is_default=True, created_at=0))
    tokens = {}
    for role in Role:
        number = await counters.increment(tx, "api_keys")
        tokens[role] = generate_api_token(number)
        await api_keys.add(tx, _key(number, client_id, role, tokens[role]))
    return client_id, project_id, tokens


def _key(number: int, client_id: int, role: Role, token: str) -> ApiKey:
    return ApiKey(
        id=number,
        client_id=client_id,
        user_id=client_id,
        name=role.value,
        role=role.value,
        digest=hash_api_token(token),
        created_at=0,
    )
