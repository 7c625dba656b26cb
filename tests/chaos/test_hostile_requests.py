"""Every operation gets valid, almost valid and hostile requests: no answer is a 500, and the server lives on."""

import asyncio
import json
import random
from collections.abc import Iterator

import httpx
import jsonschema_rs
import pytest

from tests.api.routes import ENDLESS
from tests.chaos.generated_requests import CHANGES_ANSWERS, Operation, RequestGenerator, list_operations
from tests.chaos.installations import client_of
from tests.chaos.races import IN_PROJECT
from tests.chaos.raw_requests import RawAnswer, RawConnection, RawRequest
from tests.chaos.rounds import current_figures, rounds
from tests.chaos.values import Values
from tests.contract.documents import ERROR
from tests.servers import KEY, Server, run_server

CLIENTS = 8
REQUESTS_PER_OPERATION = 5
"""In a round."""
MOST_GROWTH = 150
"""MiB of memory that the server may need more than at the start."""
SHAPE = jsonschema_rs.validator_for(ERROR)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("hostile") / "data", "--log-level", "error") as running:
        yield running


async def create_resources(client: httpx.AsyncClient, values: Values, operations: list[Operation]) -> None:
    """Take back what earlier requests have set for all tasks, create resources, and learn the ids of all that exist."""
    await client.delete("/_pileus/faults")
    await client.put("/_pileus/time", json={"mode": "instant"})
    await client.delete("/_pileus/clock")
    for path, body in IN_PROJECT.values():
        await client.post(path.format(place="1/1", project_id=1), json=body)
    for operation in operations:
        if operation.method == "GET" and operation.names_only_place and not operation.required:
            answer = await client.get(operation.path.format(project_id=1, region_id=1))
            if is_json(answer):
                values.learn_all(answer.json(), name_of_items(operation.path, operations))


def is_json(answer: httpx.Response) -> bool:
    return answer.is_success and answer.headers.get("content-type", "").startswith("application/json")


def name_of_items(path: str, operations: list[Operation]) -> str:
    """Return the path parameter that names one item of a list, or an empty text."""
    items = [operation.path for operation in operations if operation.path.startswith(f"{path}/{{")]
    return items[0].removeprefix(f"{path}/{{").partition("}")[0].partition(":")[0] if items else ""


def find_fault(answer: RawAnswer) -> str:
    """Return what is wrong with an answer."""
    if answer.status >= 500:
        return "server error"
    if answer.status < 400 or not answer.body:
        return ""
    try:
        SHAPE.validate(json.loads(answer.body))
    except (ValueError, jsonschema_rs.ValidationError) as problem:
        return f"not the shape of an error: {problem}"
    return ""


async def attack(connection: RawConnection, requests: list[RawRequest]) -> list[str]:
    """Send requests until none is left; return what was wrong with the answers."""
    faults = []
    while requests:
        request = requests.pop()
        try:
            answer = await connection.send(request)
        except (ConnectionError, TimeoutError) as problem:
            current_figures().update(unanswered=1)
            faults.append(f"{request.template}: no answer to {request.data[:500]!r}: {problem}")
            continue
        current_figures().update({"requests": 1, f"answers_{answer.status // 100}xx": 1})
        if fault := find_fault(answer):
            faults.append(f"{request.template}: {fault}: {request.data[:1500]!r}: {answer.body[:300]!r}")
    connection.close()
    return faults


async def find_failed_tasks(client: httpx.AsyncClient) -> list[str]:
    """Return the tasks that have failed by an unexpected error."""
    tasks = (await client.get("/cloud/v1/tasks", params={"state": "ERROR", "limit": 1000})).json()["results"]
    return [f"{task['task_type']}: {task['error']}" for task in tasks if "nternal" in (task["error"] or "")]


def read_log(server: Server) -> str:
    return server.log.read_text()


async def test_no_request_causes_a_500_or_stops_the_server(server: Server) -> None:
    seed = random.randrange(1 << 32)  # noqa: S311  # no secret
    chance, port = random.Random(seed), int(server.url.rpartition(":")[2])  # noqa: S311  # no secret
    async with client_of(server) as client:
        document = (await client.get("/schema/openapi.json")).json()
        values = Values(document, chance)
        left_out = CHANGES_ANSWERS | ENDLESS
        operations = [operation for operation in list_operations(document) if operation.name not in left_out]
        generator = RequestGenerator(values, chance, KEY)
        await create_resources(client, values, operations)
        memory = server.measure_memory()
        for _ in rounds(1):
            requests = [generator.generate(operation) for operation in operations * REQUESTS_PER_OPERATION]
            chance.shuffle(requests)
            faults = await asyncio.gather(*(attack(RawConnection(port), requests) for _ in range(CLIENTS)))

            assert [fault for some in faults for fault in some] == [], f"seed {seed}"
            await create_resources(client, values, operations)
            assert await find_failed_tasks(client) == []
            growth = server.measure_memory() - memory
            current_figures()["memory_growth_mib"] = round(growth)
            assert growth < MOST_GROWTH

    assert server.process.poll() is None
    assert "Traceback" not in read_log(server)
    assert current_figures()["answers_2xx"] > current_figures()["requests"] / 20
