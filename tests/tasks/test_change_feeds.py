"""Feeds of changes: what streams get, across transactions, slow readers and a clock that is set back."""

import pytest

from pileus.app import RunningCloud
from pileus.domain.changes import MAX_REPLAYED_AGE, ActionChange, TaskChange
from pileus.domain.errors import TooManyRequests
from pileus.tasks import change_feeds
from pileus.tasks.change_feeds import ChangeFeeds, ChangeStream, FeedItem
from tests.orders import an_order
from tests.tenants import Tenant

PAUSE = 0.001


@pytest.fixture
def feeds(running: RunningCloud) -> ChangeFeeds:
    """Feeds that only a test polls."""
    return ChangeFeeds(running.app_state.db, running.app_state.now)


async def list_waiting(feeds: ChangeFeeds, stream: ChangeStream) -> list[FeedItem]:
    """Return what waits for the reader of a stream."""
    items: list[FeedItem] = []
    async for item in feeds.read(stream, PAUSE):
        if item.change is None and not item.is_missed:
            return items
        items.append(item)
    return items


async def rename_key(tenant: Tenant, name: str) -> str:
    """Make a change that the audit log records, and return the id of the resource."""
    answer = await tenant.api.post(f"/cloud/v1/ssh_keys/{tenant.project_id}", json={"name": name})
    return str(answer.json()["id"])


async def test_every_stream_of_a_tenant_gets_each_change_once(tenant: Tenant, feeds: ChangeFeeds) -> None:
    streams = [await feeds.open_stream(tenant.client_id, None) for _ in range(3)]
    key_id = await rename_key(tenant, "one")
    await feeds.poll()
    await feeds.poll()

    for stream in streams:
        (item,) = await list_waiting(feeds, stream)
        assert isinstance(item.change, ActionChange)
        assert (item.change.action, list(item.change.resource_ids)) == ("create", [key_id])
        assert item.change.project_id == tenant.project_id


async def test_a_stream_gets_nothing_of_other_tenants(tenant: Tenant, feeds: ChangeFeeds) -> None:
    stream = await feeds.open_stream(tenant.client_id + 1_000_000, None)
    await rename_key(tenant, "one")
    await feeds.poll()

    assert await list_waiting(feeds, stream) == []


async def test_a_task_is_told_of_when_it_moves_and_when_it_ends(tenant: Tenant, feeds: ChangeFeeds) -> None:
    hold = {"kind": "hold", "task_type": "create_vm"}
    fault_id = (await tenant.api.post("/_pileus/faults", json=hold)).json()["id"]
    stream = await feeds.open_stream(tenant.client_id, None)
    order = an_order()
    (task_id,) = (await tenant.api.post(tenant.path("instances", version=2), json=order)).json()["tasks"]
    await feeds.poll()
    await tenant.api.delete(f"/_pileus/faults/{fault_id}")
    await tenant.wait_for_task(task_id)
    await feeds.poll()

    changes = [item.change for item in await list_waiting(feeds, stream)]
    states = [change.state for change in changes if isinstance(change, TaskChange) and change.id == task_id]
    assert states[-1] == "FINISHED"
    assert states[0] in ("NEW", "RUNNING")


async def test_a_stream_continues_where_another_one_broke_off(tenant: Tenant, feeds: ChangeFeeds) -> None:
    first = await feeds.open_stream(tenant.client_id, None)
    await rename_key(tenant, "one")
    await feeds.poll()
    (item,) = await list_waiting(feeds, first)
    feeds.close_stream(first)
    key_id = await rename_key(tenant, "two")

    second = await feeds.open_stream(tenant.client_id, item.position)
    changes = [item.change for item in await list_waiting(feeds, second)]
    assert any(isinstance(change, ActionChange) and key_id in change.resource_ids for change in changes)


async def test_a_stream_from_too_long_ago_reads_everything_again(tenant: Tenant, feeds: ChangeFeeds) -> None:
    stream = await feeds.open_stream(tenant.client_id, tenant.running.app_state.now() - MAX_REPLAYED_AGE - 1)

    assert [item.is_missed for item in await list_waiting(feeds, stream)] == [True]


async def test_a_slow_reader_keeps_few_changes_and_learns_that_it_has_missed_some(
    tenant: Tenant, feeds: ChangeFeeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feeds, "MAX_WAITING", 2)
    stream = await feeds.open_stream(tenant.client_id, None)
    for number in range(3):
        await rename_key(tenant, f"key {number}")
    await feeds.poll()

    assert [item.is_missed for item in await list_waiting(feeds, stream)] == [True]


async def test_a_clock_that_is_set_back_hides_no_change(tenant: Tenant, feeds: ChangeFeeds) -> None:
    stream = await feeds.open_stream(tenant.client_id, None)
    await tenant.operator.put("/_pileus/clock", json={"time": "2020-01-01T00:00:00Z"})
    await feeds.poll()
    assert [item.is_missed for item in await list_waiting(feeds, stream)] == [True]
    await rename_key(tenant, "in the past")
    await feeds.poll()

    (item,) = await list_waiting(feeds, stream)
    assert isinstance(item.change, ActionChange)


async def test_the_streams_of_a_tenant_are_limited(
    tenant: Tenant, feeds: ChangeFeeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feeds, "MAX_STREAMS_OF_CLIENT", 1)
    stream = await feeds.open_stream(tenant.client_id, None)
    with pytest.raises(TooManyRequests):
        await feeds.open_stream(tenant.client_id, None)
    feeds.close_stream(stream)
    await feeds.open_stream(tenant.client_id, None)


async def test_streams_end_when_the_server_stops(tenant: Tenant, feeds: ChangeFeeds) -> None:
    stream = await feeds.open_stream(tenant.client_id, None)
    feeds.stop()
    assert [item async for item in feeds.read(stream, 60)] == []
