"""Machines that one of several servers has: the others leave their tasks to it, and forward what its driver knows."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from pileus.domain.catalogue import derive_public_image_id
from pileus.driver_homes import ForeignDriverHome
from pileus.drivers import registry
from tests.drivers.local import GREETING
from tests.orders import an_order, boot
from tests.several_servers.homes import LocalServer, run_local_server

SMALL = "g1-standard-2-4"
BINARY = Subprotocol("binary")


@pytest.fixture(autouse=True, scope="module")
def installed_driver() -> Iterator[None]:
    """Offer the driver as an installed package would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.BUILT_IN[registry.DRIVERS], "local", "tests.drivers.local:LocalDriver")
        patch.setitem(registry.BUILT_IN[registry.SETTINGS], "local", "tests.drivers.memory:MemorySettings")
        yield


@pytest.fixture
async def servers(tmp_path: Path, postgres: str) -> AsyncIterator[tuple[LocalServer, LocalServer]]:
    """A server with the machines of regions 2 and 3, and one without machines."""
    async with (
        run_local_server(tmp_path, postgres, "home") as home,
        run_local_server(tmp_path, postgres, "other") as other,
    ):
        yield home, other


async def finish(server: LocalServer, answer: httpx.Response) -> dict[str, Any]:
    """Wait until the task of an answer has ended, and return it."""
    assert answer.status_code == 200, answer.text
    (task_id,) = answer.json()["tasks"]
    async with asyncio.timeout(60):
        while True:
            task: dict[str, Any] = (await server.api.get(f"/cloud/v1/tasks/{task_id}")).json()
            if task["state"] in ("FINISHED", "ERROR"):
                assert task["state"] == "FINISHED", task["error"]
                return task
            await asyncio.sleep(0.02)


async def create(server: LocalServer, region_id: int, project_id: int = 1) -> str:
    """Create an instance in a region and return its id."""
    order = an_order(volumes=[boot(image_id=derive_public_image_id(region_id, "ubuntu-22.04-x64"))], flavor=SMALL)
    task = await finish(server, await server.api.post(f"/cloud/v2/instances/{project_id}/{region_id}", json=order))
    return str(task["created_resources"]["instances"][0])


async def test_tasks_run_where_the_machines_are_whichever_server_gets_the_request(
    servers: tuple[LocalServer, LocalServer],
) -> None:
    home, other = servers
    instance_id = await create(other, 2)
    assert home.driver(2).statuses == {instance_id: "ACTIVE"}

    path = f"/cloud/v1/instances/1/2/{instance_id}"
    await finish(other, await other.api.post(path.replace("v1", "v2") + "/action", json={"action": "stop"}))
    assert home.driver(2).statuses == {instance_id: "SHUTOFF"}

    renamed = await other.api.patch(path, json={"name": "renamed"})
    assert (renamed.status_code, (await home.api.get(path)).json()["name"]) == (200, "renamed")
    await finish(other, await other.api.delete(path))
    assert home.driver(2).machines == {}


async def test_any_server_answers_with_what_the_driver_of_another_one_knows(
    servers: tuple[LocalServer, LocalServer],
) -> None:
    home, other = servers
    instance_id = await create(home, 2)
    for method, path, body in (
        ("GET", f"/cloud/v1/instances/1/2/{instance_id}/get_console", None),
        ("GET", f"/_pileus/instances/1/2/{instance_id}/serial_log?bytes=10", None),
        ("POST", f"/cloud/v1/instances/1/2/{instance_id}/metrics", {"time_interval": 1, "time_unit": "hour"}),
    ):
        at_home, elsewhere = [await server.api.request(method, path, json=body) for server in (home, other)]

        assert at_home.status_code == 200, at_home.text
        assert elsewhere.status_code == 200, elsewhere.text
        assert elsewhere.headers["content-type"] == at_home.headers["content-type"]
        assert len(elsewhere.headers.get_list("x-request-id")) == 1
        if "metrics" not in path:
            assert elsewhere.content == at_home.content

    missing = await other.api.get(f"/_pileus/instances/1/2/{instance_id.replace('-', '')[:8]}/serial_log")
    stranger = await other.api.get(f"/_pileus/instances/1/2/{instance_id}/serial_log", headers={"Authorization": "-"})
    assert (missing.status_code, stranger.status_code) == (404, 401)


async def test_a_screen_is_relayed_from_the_server_that_has_the_machine(
    servers: tuple[LocalServer, LocalServer],
) -> None:
    home, other = servers
    instance_id = await create(home, 2)
    url = f"ws{other.settings.base_url.removeprefix('http')}/screens/socket?ticket="

    async with asyncio.timeout(30), connect(url + instance_id, subprotocols=[BINARY], proxy=None) as screen:
        assert await screen.recv() == GREETING
        await screen.send(b"typed")
        assert await home.driver(2).typed.get() == b"typed"
    async with asyncio.timeout(30), connect(f"{url}wrong", subprotocols=[BINARY], proxy=None) as screen:
        with pytest.raises(ConnectionClosed) as closed:
            await screen.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def test_while_the_server_with_the_machines_is_away_the_others_say_so_and_answer_the_rest(
    tmp_path: Path, postgres: str
) -> None:
    async with run_local_server(tmp_path, postgres, "other", home_regions="none") as other:
        async with run_local_server(tmp_path, postgres, "home") as home:
            instance_id = await create(home, 2)
        path = f"/cloud/v1/instances/1/2/{instance_id}"

        away = [
            await other.api.get(f"/_pileus/instances/1/2/{instance_id}/serial_log"),
            await other.api.post("/cloud/v2/instances/1/2", json=an_order(flavor=SMALL)),
        ]
        answered = [await other.api.get(path), await other.api.patch(path, json={"name": "later"})]
        stopping = await other.api.post(path.replace("v1", "v2") + "/action", json={"action": "stop"})
        ready = await other.api.get("/readyz")

        assert [answer.status_code for answer in away] == [503, 503]
        for answer in away:
            assert answer.json()["exception_class"] == "ServiceUnavailable"
            assert f"region 2 ({tmp_path / 'home'} on host " in answer.json()["message"]
            assert answer.headers["retry-after"] == "1"
        assert [answer.status_code for answer in answered] == [200, 200]
        assert (ready.status_code, ready.json()["regions_elsewhere"]) == (200, [2, 3])
        async with run_local_server(tmp_path, postgres, "home") as home:
            await finish(other, stopping)


async def test_each_region_has_its_server_and_a_project_is_deleted_where_its_machines_are(
    tmp_path: Path, postgres: str
) -> None:
    async with (
        run_local_server(tmp_path, postgres, "two", home_regions="2") as two,
        run_local_server(tmp_path, postgres, "three", home_regions="3") as three,
    ):
        both, small = [
            (await two.api.post("/cloud/v1/projects", json={"name": n})).json()["id"] for n in ("Both", "One")
        ]
        second, third, of_one = await create(three, 2, both), await create(two, 3, both), await create(two, 2, small)
        await three.api.post(f"/cloud/v1/securitygroups/{small}/3", json={"security_group": {"name": "rules"}})
        assert (set(two.driver(2).machines), set(three.driver(3).machines)) == ({second, of_one}, {third})

        refused = await two.api.delete(f"/cloud/v1/projects/{both}")
        twice = await three.api.delete(f"/cloud/v1/projects/{small}")
        for group in (await two.api.get(f"/cloud/v1/securitygroups/{small}/3")).json()["results"]:
            if group["name"] == "rules":
                await two.api.delete(f"/cloud/v1/securitygroups/{small}/3/{group['id']}")
        await finish(three, await three.api.delete(f"/cloud/v1/projects/{small}"))

        for answer in (refused, twice):
            assert (answer.status_code, answer.json()["exception_class"]) == (409, "ConflictError")
            assert "Different servers have the machines of regions 2, 3" in answer.json()["message"]
        assert set(two.driver(2).machines) == {second}


async def test_a_server_does_not_start_as_the_home_of_machines_that_another_directory_has(
    tmp_path: Path, postgres: str
) -> None:
    async with run_local_server(tmp_path, postgres, "home"):
        pass

    with pytest.raises(ForeignDriverHome, match=r"The machines of region 2 are in .*/home on host"):
        async with run_local_server(tmp_path, postgres, "other", home_regions="2"):
            pass
