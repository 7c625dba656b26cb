"""Feeds of changes: what the consoles of a tenant read again.

The changes come from the database, so that those of all processes and servers are seen. Each process polls once for a
tenant, however many streams it has, and only for tenants with a stream. Entries of the audit log are read from a short
time before the latest known one, because transactions do not end in the order of their times; those that were seen are
left out. Tasks are compared with the last poll. A stream that cannot keep up, and one that continues from too long ago,
gets MISSED: its reader reads everything again.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from weakref import WeakSet

from pileus.domain.changes import MAX_REPLAYED_AGE, OVERLAP, ActionChange, TaskChange
from pileus.domain.errors import TooManyRequests
from pileus.store import changes
from pileus.store.database import Database, Tx
from pileus.tasks.periodic import repeat

LOG = logging.getLogger(__name__)
POLL_SECONDS = 1.0
MAX_STREAMS, MAX_STREAMS_OF_CLIENT = 1024, 256
"""The streams of this process, and those of one tenant."""
MAX_ACTIONS, MAX_TASKS, MAX_WAITING = 500, 1000, 256
"""Entries and tasks that one poll reads, and changes that wait for a slow reader."""
RETRY_AFTER = 10
Change = ActionChange | TaskChange


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A change, or None for changes that were missed, or for none during a pause; and the position after it."""

    position: int
    change: Change | None = None
    is_missed: bool = False


@dataclass(slots=True, eq=False, weakref_slot=True)
class ChangeStream:
    """The changes that wait for one reader; None ends it."""

    client_id: int
    waiting: asyncio.Queue[FeedItem | None] = field(default_factory=asyncio.Queue)

    def add(self, item: FeedItem) -> None:
        """Add a change. A reader that is too slow misses all that wait."""
        if self.waiting.qsize() >= MAX_WAITING:
            self.waiting = asyncio.Queue()
            item = FeedItem(item.position, is_missed=True)
        self.waiting.put_nowait(item)


@dataclass(slots=True)
class ClientFeed:
    """What is known of a tenant: the time of its latest action, the recent actions, and its unfinished tasks.

    The streams belong to their readers: one that is never read, because its client is gone, is forgotten.
    """

    position: int
    streams: WeakSet[ChangeStream] = field(default_factory=WeakSet)
    recent: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, TaskChange] = field(default_factory=dict)
    is_primed: bool = False

    def publish(self, change: Change | None = None) -> None:
        """Give a change, or the news that some were missed, to all streams."""
        item = FeedItem(self.position, change, is_missed=change is None)
        for stream in self.streams:
            stream.add(item)

    def restart(self, now: int) -> None:
        """Begin again from a time: what was before is missed."""
        self.position, self.recent = now, {}
        self.publish()

    def take_actions(self, actions: list[ActionChange], now: int) -> None:
        """Publish the actions that are new."""
        if len(actions) >= MAX_ACTIONS:
            self.restart(now)
            return
        for action in actions:
            self.position = max(self.position, action.created_at)
            if action.id not in self.recent and self.is_primed:
                self.publish(action)
        self.recent = {action.id: action.created_at for action in actions}

    def take_tasks(self, unfinished: list[TaskChange], ended: list[TaskChange]) -> None:
        """Publish the tasks that stand elsewhere than at the last poll."""
        for task in (*unfinished, *ended):
            if self.is_primed and self.tasks.get(task.id) != task:
                self.publish(task)
        self.tasks = {task.id: task for task in unfinished}


class ChangeFeeds:
    """The feeds of this process, by tenant."""

    def __init__(
        self, db: Database, now: Callable[[], int], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._db = db
        self._now = now
        self._sleep = sleep
        self._feeds: dict[int, ClientFeed] = {}
        self._stopped = False

    async def run(self) -> None:
        """Poll until cancelled; failures are logged."""
        await repeat(self.poll, POLL_SECONDS, self._sleep, LOG, "Reading changes failed")

    async def poll(self) -> None:
        """Publish what has changed since the last poll."""
        for client_id, feed in list(self._feeds.items()):
            if feed.streams:
                await self._poll_client(client_id, feed)
            else:
                self._feeds.pop(client_id, None)

    async def open_stream(self, client_id: int, position: int | None) -> ChangeStream:
        """Open a stream from a position, or from now on. Raises TooManyRequests."""
        self._check_room(client_id)
        stream = ChangeStream(client_id)
        feed = self._feeds.setdefault(client_id, ClientFeed(self._now()))
        feed.streams.add(stream)
        if not feed.is_primed:
            await self._poll_client(client_id, feed)
        if position is not None:
            await self._replay(stream, position)
        if self._stopped:
            stream.waiting.put_nowait(None)
        return stream

    def close_stream(self, stream: ChangeStream) -> None:
        """Forget a stream, and its tenant if that has no other."""
        feed = self._feeds.get(stream.client_id)
        if feed is None:
            return
        feed.streams.discard(stream)
        if not feed.streams:
            del self._feeds[stream.client_id]

    async def read(self, stream: ChangeStream, pause: float) -> AsyncGenerator[FeedItem, None]:
        """Yield the changes of a stream until the server stops, and after each pause an item without a change."""
        while True:
            try:
                item = await asyncio.wait_for(stream.waiting.get(), pause)
            except TimeoutError:
                item = FeedItem(self._position_of(stream))
            if item is None:
                return
            yield item

    def drop_all(self) -> None:
        """Let all readers read everything again, because the cloud was reset."""
        for feed in self._feeds.values():
            feed.restart(self._now())
            feed.tasks = {}

    def stop(self) -> None:
        """End all streams."""
        self._stopped = True
        for feed in self._feeds.values():
            for stream in feed.streams:
                stream.waiting.put_nowait(None)

    def _check_room(self, client_id: int) -> None:
        total = sum(len(feed.streams) for feed in self._feeds.values())
        feed = self._feeds.get(client_id)
        if total >= MAX_STREAMS or (feed is not None and len(feed.streams) >= MAX_STREAMS_OF_CLIENT):
            raise TooManyRequests("There are too many streams of changes: read the lists again instead", RETRY_AFTER)

    def _position_of(self, stream: ChangeStream) -> int:
        feed = self._feeds.get(stream.client_id)
        return feed.position if feed else self._now()

    async def _poll_client(self, client_id: int, feed: ClientFeed) -> None:
        now = self._now()
        if now < feed.position - OVERLAP:
            # The clock of the cloud was set back.
            feed.restart(now)
        async with self._db.read() as tx:
            actions = await changes.list_actions_since(tx, client_id, feed.position - OVERLAP, MAX_ACTIONS)
            unfinished = await changes.list_unfinished_tasks(tx, client_id, MAX_TASKS)
            ended = await _list_ended(tx, feed, unfinished)
        feed.take_actions(actions, now)
        feed.take_tasks(unfinished, ended)
        feed.is_primed = True

    async def _replay(self, stream: ChangeStream, position: int) -> None:
        """Add the actions since a position to a new stream. How tasks have ended meanwhile is missed."""
        actions: list[ActionChange] = []
        if position >= self._now() - MAX_REPLAYED_AGE:
            async with self._db.read() as tx:
                actions = await changes.list_actions_since(tx, stream.client_id, position - OVERLAP, MAX_WAITING)
        if not actions or len(actions) >= MAX_WAITING:
            stream.add(FeedItem(self._position_of(stream), is_missed=True))
            return
        for action in actions:
            stream.add(FeedItem(action.created_at, action))


async def _list_ended(tx: Tx, feed: ClientFeed, unfinished: list[TaskChange]) -> list[TaskChange]:
    """Return the tasks that were unfinished at the last poll and are no more."""
    gone = feed.tasks.keys() - {task.id for task in unfinished}
    return await changes.list_tasks_by_id(tx, sorted(gone)[:MAX_TASKS])
