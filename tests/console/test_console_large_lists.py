"""Lists of ten thousand records in the web console: the page stays as small as that of a few."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from bench.population import populate, volume_id
from bench.servers import HEADERS, KEY, Server, free_port, run_pileus

from tests.console.conftest import Browser
from tests.console.resources import wait_for_task

pytestmark = pytest.mark.timeout(180)
RECORDS = 10_000
MOST_ELEMENTS = 3_000
MOST_OPTIONS = 250


@pytest.fixture(scope="module")
def large_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with ten thousand instances, each with a volume."""
    with run_pileus(populate(tmp_path_factory.mktemp("large") / "data", RECORDS), free_port()) as server:
        yield server


@pytest.fixture
def large(large_server: Server) -> Iterator[httpx.Client]:
    """A client of that server."""
    with httpx.Client(base_url=large_server.url, headers=HEADERS) as client:
        yield client


def test_a_list_of_ten_thousand_shows_a_page_and_answers_input(browser: Browser, large_server: Server) -> None:
    result = browser.run("large_list", server=large_server.url, serverKey=KEY, name="name-of-the-template")
    sizes = result["sizes"]

    assert [size["rows"] for size in sizes.values()] == [25, 25, 100, 25, 1]
    assert max(size["elements"] for size in sizes.values()) <= MOST_ELEMENTS
    assert sizes["first"]["range"] == f"1–25 of {RECORDS + 1:,}"
    assert result["typed"] == "name-of-the-template"
    assert (result["most"], result["options"]) == (100, MOST_OPTIONS)
    assert result["errors"] == []


def test_volumes_that_are_not_listed_are_named_by_their_ids(
    browser: Browser, large_server: Server, large: httpx.Client
) -> None:
    volumes = "/cloud/v1/volumes/1/1"
    listed = [row["id"] for row in large.get(volumes, params={"limit": MOST_OPTIONS}).json()["results"]]
    others = [volume_id(number) for number in range(RECORDS) if volume_id(number) not in listed][:2]

    result = browser.run("references", server=large_server.url, serverKey=KEY, others=f" {'  '.join(others)} ")
    policies = large.get("/cloud/v1/lifecycle_policy/1/1", params={"need_volumes": "true"}).json()["results"]

    assert result["boxes"] == MOST_OPTIONS
    assert [{row["volume_id"] for row in policy["volumes"]} for policy in policies] == [{listed[0], *others}]


def test_two_texts_of_a_dialog_suggest_each_their_own_records(
    browser: Browser, large_server: Server, large: httpx.Client
) -> None:
    subnets, pool_id = create_subnets(large, MOST_OPTIONS + 1), create_pool(large)
    path = f"/ui/1/1/pools/{pool_id}?do=add_member"

    suggested = browser.run(
        "suggestions", server=large_server.url, serverKey=KEY, path=path, names=["subnet_id", "instance_id"]
    )

    assert len(suggested["subnet_id"]) == len(suggested["instance_id"]) == MOST_OPTIONS
    assert set(suggested["subnet_id"]) <= subnets
    assert not set(suggested["instance_id"]) & subnets


def create(client: httpx.Client, noun: str, **order: Any) -> dict[str, list[str]]:
    """Create a resource and return the ids of what was created, by kind."""
    answer = client.post(f"/cloud/v1/{noun}/1/1", json=order).raise_for_status()
    return wait_for_task(client, answer.json()["tasks"][0])


def create_subnets(client: httpx.Client, count: int) -> set[str]:
    """Create a network with subnets and return their ids."""
    (network_id,) = create(client, "networks", name="inside")["networks"]
    order = {"name": "inside", "network_id": network_id, "connect_to_network_router": False}
    created = [create(client, "subnets", cidr=f"10.77.{number}.0/24", **order) for number in range(count)]
    return {ids["subnets"][0] for ids in created}


def create_pool(client: httpx.Client) -> str:
    """Create a load balancer with a pool, and return the id of the pool."""
    pool = {"name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    listener = {"name": "web", "protocol": "HTTP", "protocol_port": 80, "pools": [pool]}
    (pool_id,) = create(client, "loadbalancers", name="web", listeners=[listener])["pools"]
    return pool_id
