"""The recorded requests of real clients get the recorded statuses, and answers of the recorded shapes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import httpx
import pytest

from pileus.app import RunningCloud, run_cloud
from tests.app_settings import checked_settings
from tests.clients.traces import DIFFERS_AT_TIMES, LEFT_OUT, NAMES, TRACES, load_player, load_trace
from tests.servers import KEY, run_server

pytestmark = pytest.mark.skipif(not NAMES, reason=f"The recorded traces are not in {TRACES}.")
Send = Callable[[str, str, Any], tuple[int, str]]


@pytest.fixture(scope="module")
def player() -> ModuleType:
    """The program that plays traces."""
    return load_player()


@pytest.fixture(scope="module")
async def send(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Send]:
    """A function that sends requests to one cloud, which all traces share: each of them removes what it created."""
    async with open_sender(tmp_path_factory.mktemp("traces")) as sender:
        yield sender


@asynccontextmanager
async def open_sender(data: Path) -> AsyncIterator[Send]:
    """Run a cloud in this process, and yield a function that sends requests to it from another thread."""
    async with run_cloud(checked_settings(data=data, log_level="error")) as running, open_sender_to(running) as send:
        yield send


@asynccontextmanager
async def open_sender_to(running: RunningCloud) -> AsyncIterator[Send]:
    """Yield a function that sends requests to a cloud of this process from another thread."""
    loop = asyncio.get_running_loop()
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(cast("Any", running.app)),
        base_url="http://pileus.test",
        headers={"Authorization": f"APIKey {running.first_token}"},
    )

    def send(method: str, path: str, body: Any) -> tuple[int, str]:
        content = {} if body is None else {"json": body}
        answer = asyncio.run_coroutine_threadsafe(client.request(method, path, **content), loop)
        response = answer.result()
        return response.status_code, response.text

    async with client:
        yield send


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LEFT_OUT])
async def test_the_requests_of_a_client_are_answered_as_recorded(player: ModuleType, send: Send, name: str) -> None:
    steps = load_trace(player, name)

    assert await asyncio.to_thread(player.play, steps, send) == len(steps) > 0


@pytest.mark.parametrize("name", [name for name in NAMES if name in LEFT_OUT.keys() - DIFFERS_AT_TIMES])
async def test_a_trace_is_left_out_only_while_it_differs(player: ModuleType, tmp_path: Path, name: str) -> None:
    async with open_sender(tmp_path) as send:
        with pytest.raises(player.Differs, match="step "):
            await asyncio.to_thread(player.play, load_trace(player, name), send)


def test_the_traces_that_are_left_out_exist() -> None:
    assert LEFT_OUT.keys() <= set(NAMES)


def test_a_served_instance_answers_all_clients(player: ModuleType, tmp_path: Path) -> None:
    names = [name for name in NAMES if name not in LEFT_OUT]
    with run_server(tmp_path / "data") as server:
        send = player.http_send(server.url, KEY)
        differences = {name: find_difference(player, name, send) for name in names}

    assert {name: text for name, text in differences.items() if text} == {}


def find_difference(player: ModuleType, name: str, send: Send) -> str:
    """Play a trace, and return how an answer differs, or an empty text."""
    try:
        player.play(load_trace(player, name), send)
    except player.Differs as difference:
        return str(difference)
    return ""
