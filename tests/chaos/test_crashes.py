"""The server and its workers are killed: acknowledged changes survive, and no change is left half done."""

import asyncio
import random
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.chaos.installations import PLACE, Installation, client_of
from tests.chaos.ledgers import Ledger
from tests.chaos.rounds import current_figures, rounds
from tests.chaos.writers import Stage, clear_stage, create, finish, make_writers, run_until_killed, set_stage
from tests.databases import database_url
from tests.orders import an_order

KINDS = (("sqlite", 1), ("sqlite", 2), ("postgres", 2))
"""Databases and numbers of workers."""
LONGEST_START = 1.5
"""Seconds after which a start is no longer interrupted."""
MOST_CHANGES = 400
"""Acknowledged changes after which the server is killed at the latest."""


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    backend, workers = request.param
    with database_url(backend) as url:
        created = Installation(tmp_path / "data", url, workers)
        try:
            yield created
        finally:
            created.kill()


async def change_until_killed(installation: Installation, ledger: Ledger, stage: Stage) -> None:
    """Send changes of every kind at the same time until some number is acknowledged, then kill the server."""
    assert installation.server is not None
    ledger.expect(random.randrange(1, MOST_CHANGES))  # noqa: S311  # no secret
    async with client_of(installation.server) as client:
        await run_until_killed(make_writers(client, ledger, stage), ledger.enough, installation.kill)


async def kill_while_starting(installation: Installation) -> None:
    """Start the server, and kill it at some moment of its start."""
    server = installation.spawn()
    with suppress(subprocess.TimeoutExpired):
        seconds = random.uniform(0, LONGEST_START)  # noqa: S311  # no secret
        code = await asyncio.to_thread(server.process.wait, seconds)
        raise AssertionError(f"the server ended with {code}: {server.log.read_text()[-2000:]}")
    installation.kill()
    current_figures().update(kills=1, killed_while_starting=1)


async def check(installation: Installation, ledger: Ledger, stage: Stage) -> None:
    """Check after a restart that nothing is lost or half done. One task is held."""
    assert installation.server is not None
    figures = current_figures()
    await installation.wait_for_tasks(unfinished=1)
    async with client_of(installation.server) as client:
        lost = await ledger.compare(client)
        wrong_usage = await installation.compare_usage(client)
        inconsistencies = installation.find_inconsistencies()
        await clear_stage(client, stage)
    figures.update(acknowledged=ledger.acknowledged, lost=len(lost))
    figures.update(inconsistent=len(inconsistencies), wrong_usage=len(wrong_usage))
    ledger.acknowledged = 0
    assert lost == []
    assert inconsistencies == []
    assert wrong_usage == []


async def hold_stop(client: httpx.AsyncClient) -> tuple[str, httpx.Response]:
    """Start a task that is held; return the path of its instance and the answer."""
    instance_id = await create(client, "/cloud/v2/instances", "instances", an_order())
    await client.post("/_pileus/faults", json={"kind": "hold", "task_type": "stop_vm"})
    stopping = await client.post(f"/cloud/v2/instances/{PLACE}/{instance_id}/action", json={"action": "stop"})
    return f"/cloud/v1/instances/{PLACE}/{instance_id}", stopping


async def test_nothing_is_lost_or_half_done_when_the_server_is_killed(installation: Installation) -> None:
    ledger, figures = Ledger(), current_figures()
    await kill_while_starting(installation)
    async with client_of(installation.start()) as client:
        stage = await set_stage(client)
        stopping_path, stopping = await hold_stop(client)

    for number in rounds(2):
        await change_until_killed(installation, ledger, stage)
        figures["kills"] += 1
        for _ in range(number % 3):
            await kill_while_starting(installation)
        server = installation.start()
        await check(installation, ledger, stage)

    async with client_of(server) as client:
        await client.delete("/_pileus/faults")
        await finish(client, stopping)
        stopped = (await client.get(stopping_path)).json()
    assert (stopped["status"], stopped["task_id"]) == ("SHUTOFF", None)
    assert server.stop() == 0
