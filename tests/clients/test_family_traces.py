"""The recorded requests of clients that use load balancers, secrets and file shares get the recorded statuses."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from pileus.app import run_cloud
from tests.app_settings import checked_settings
from tests.clients.family_traces import FAMILY_NAMES, load_family_trace, send_again
from tests.clients.test_traces import Send, open_sender_to

RESOURCES = ("loadbalancers", "lblisteners", "lbpools", "l7policies", "secrets", "file_shares", "networks")


@pytest.fixture(scope="module")
async def send(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Send]:
    """A function that sends requests to one cloud, which refuses what it does not read."""
    settings = checked_settings(data=tmp_path_factory.mktemp("traces"), log_level="error", strict=True)
    async with run_cloud(settings) as running, open_sender_to(running) as sender:
        yield sender


def test_there_are_traces_of_each_client() -> None:
    assert {name.partition("-")[0] for name in FAMILY_NAMES} == {"go", "python", "terraform"}


@pytest.mark.parametrize("name", FAMILY_NAMES)
async def test_the_requests_of_a_client_get_the_recorded_statuses_and_leave_nothing_behind(
    send: Send, name: str
) -> None:
    def count_resources() -> dict[str, int]:
        answers = {kind: send("GET", f"/cloud/v1/{kind}/1/1", None)[1] for kind in RESOURCES}
        return {kind: json.loads(text)["count"] for kind, text in answers.items()}

    steps, before = load_family_trace(name), await asyncio.to_thread(count_resources)

    assert await asyncio.to_thread(send_again, steps, send) == len(steps) > 0
    assert await asyncio.to_thread(count_resources) == before


async def test_a_different_status_is_noticed(send: Send) -> None:
    with pytest.raises(AssertionError, match="request 1: GET /cloud/v1/regions"):
        await asyncio.to_thread(send_again, [{"method": "GET", "path": "/cloud/v1/regions", "status": 201}], send)
