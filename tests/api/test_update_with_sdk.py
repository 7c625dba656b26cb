"""Update instance through the official client against a running server, with strict response validation."""

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from gcore import AuthenticationError, BadRequestError, ConflictError, Gcore, NotFoundError
from gcore.types.cloud import Instance

from pileus.domain.catalogue import derive_public_image_id
from tests.servers import KEY, Server

UBUNTU = derive_public_image_id(1, "ubuntu-22.04-x64")
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
SYNC = """
from gcore import Gcore

client = Gcore()
instance = client.cloud.instances.update(
    instance_id="{id}", project_id=1, region_id=1, name="by-example", tags={{"my-tag": "my-tag-value", "old": None}}
)
print(instance.name, [tag.value for tag in instance.tags if tag.key == "my-tag"])
"""
ASYNC = """
import asyncio

from gcore import AsyncGcore

client = AsyncGcore()

async def main() -> None:
    changes = {{"name": "by-example", "tags": {{"my-tag": "my-tag-value"}}}}
    instance = await client.cloud.instances.update(instance_id="{id}", **changes)
    print(instance.name, [tag.value for tag in instance.tags if tag.key == "my-tag"])

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Gcore]:
    """The official client with strict response validation."""
    with Gcore(
        base_url=server.url,
        api_key=KEY,
        cloud_project_id=1,
        cloud_region_id=1,
        max_retries=0,
        polling_interval_seconds=1,
        _strict_response_validation=True,
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def instance(client: Gcore) -> Instance:
    """An instance created by the official client."""
    return client.cloud.instances.create_and_poll(
        name="by-sdk",
        flavor="g1-standard-1-2",
        interfaces=[{"type": "external"}],
        volumes=[{"source": "image", "image_id": UBUNTU, "size": 10, "boot_index": 0}],
        tags={"old": "1"},
    )


def user_tags(instance: Instance) -> dict[str, str]:
    return {tag.key: tag.value for tag in instance.tags if not tag.read_only}


@pytest.mark.parametrize("example", [SYNC, ASYNC], ids=["sync", "async"])
def test_the_documented_example_runs_unchanged(server: Server, instance: Instance, example: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GCORE_")}

    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", example.format(id=instance.id)],
        env=environment | server.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (process.returncode, process.stdout) == (0, "by-example ['my-tag-value']\n"), process.stderr


def test_an_update_returns_all_documented_fields(client: Gcore, instance: Instance) -> None:
    changed = client.cloud.instances.update(instance_id=instance.id, name="renamed", tags={"a": "b"})

    assert changed.name == "renamed"
    assert user_tags(changed)["a"] == "b"
    assert set(Instance.model_fields) - changed.model_fields_set == set()
    assert changed == client.cloud.instances.get(instance_id=instance.id)


def test_tags_are_merged_and_removed(client: Gcore, instance: Instance) -> None:
    client.cloud.instances.update(instance_id=instance.id, tags=None)
    client.cloud.instances.update(instance_id=instance.id, tags={"keep": "1", "drop": "1"})

    merged = client.cloud.instances.update(instance_id=instance.id, tags={"drop": None, "new": "2", "never": None})
    untouched = client.cloud.instances.update(instance_id=instance.id, tags={})
    emptied = client.cloud.instances.update(instance_id=instance.id, tags=None)

    assert user_tags(merged) == {"keep": "1", "new": "2"} == user_tags(untouched)
    assert user_tags(emptied) == {}
    assert {tag.key for tag in emptied.tags} >= {
        "image_id",
        "image_name",
        "os_distro",
        "os_type",
        "os_version",
        "task_id",
    }


def test_errors_become_the_clients_exceptions(client: Gcore, instance: Instance) -> None:
    update = client.cloud.instances.update
    with pytest.raises(BadRequestError) as refused:
        update(instance_id=instance.id, name="-", tags={"a b": "c"})
    with pytest.raises(BadRequestError, match="you need to specify a name or tags"):
        update(instance_id=instance.id)
    with pytest.raises(NotFoundError, match=f"Instance {UNKNOWN_ID} could not be found"):
        update(instance_id=UNKNOWN_ID, name="other")
    with pytest.raises(NotFoundError, match=f"Instance {instance.id} could not be found"):
        update(instance_id=instance.id, project_id=4711, name="other")
    with pytest.raises(AuthenticationError, match="Invalid <APIKey> authentication token: "):
        client.with_options(api_key=f"{KEY}0").cloud.instances.update(instance_id=instance.id, name="other")

    body = refused.value.body
    assert isinstance(body, dict)
    assert set(body["invalid_fields"]) == {"name", "tags"}


def test_updating_a_locked_instance_raises_a_conflict(server: Server, client: Gcore, instance: Instance) -> None:
    with httpx.Client(base_url=server.url, headers={"Authorization": f"APIKey {KEY}"}) as operator:
        operator.post("/_pileus/faults", json={"kind": "hold", "task_type": "stop_vm"}).raise_for_status()
        try:
            (task_id,) = client.cloud.instances.action(instance_id=instance.id, action="stop").tasks
            with pytest.raises(ConflictError, match=f"locked by running task `stop_vm` with id `{task_id}`"):
                client.cloud.instances.update(instance_id=instance.id, name="too-early")
            assert client.cloud.instances.get(instance_id=instance.id).task_id == task_id
        finally:
            operator.delete("/_pileus/faults").raise_for_status()

    client.cloud.tasks.poll(task_id)
    assert client.cloud.instances.update(instance_id=instance.id, name="now-it-may").name == "now-it-may"
