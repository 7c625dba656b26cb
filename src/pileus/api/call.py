"""A request as its handler sees it: who asks, where, and the server that it asks."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from litestar.di import NamedDependency

from pileus.api.keyring import Keyring
from pileus.domain.account.regions import Region
from pileus.domain.account.user_actions import done_by
from pileus.domain.catalogue import Catalogue
from pileus.domain.errors import not_found
from pileus.domain.places import Caller, Place
from pileus.domain.tasks import Task, new_task
from pileus.drivers.driver import Compute
from pileus.drivers.subscribers import Notifier
from pileus.store import tasks
from pileus.store.account import user_actions
from pileus.store.database import Database, Tx
from pileus.tasks.endings import Endings


@dataclass(slots=True)
class Cloud:
    """What every request shares."""

    db: Database
    catalogue: Catalogue
    now: Callable[[], int]
    new_id: Callable[[], str]
    nudge: Callable[[], None]
    driver: Compute
    notifier: Notifier
    legacy_fields: bool = False
    endings: Endings = field(default_factory=Endings)
    patience: float = 25.0
    """Seconds that a request waits for the end of a task, where it answers with what has come of it."""
    keyring: Keyring = field(init=False)

    def __post_init__(self) -> None:
        self.keyring = Keyring(self.db)


@dataclass(slots=True)
class Call:
    """One request."""

    cloud: Cloud
    caller: Caller
    place: Place
    request_id: str
    source_ip: str | None
    user_agent: str | None

    @property
    def db(self) -> Database:
        """The database."""
        return self.cloud.db

    def region(self) -> Region:
        """The region that the path names; raises NotFound."""
        found = self.cloud.catalogue.region(self.place.region_id)
        if found is None:
            raise not_found("Region", self.place.region_id)
        return found

    async def start(  # each is a fact of its own
        self, tx: Tx, task_type: str, task_id: str, args: dict[str, Any], *, data: dict[str, Any] | None = None
    ) -> Task:
        """Write the task that does the long part of a request, in the transaction that locks what it works on."""
        task = new_task(
            task_id,
            task_type,
            self.caller,
            self.place,
            request_id=self.request_id,
            now=self.cloud.now(),
            args=args,
            data=data,
        )
        return await tasks.add(tx, task)

    async def ended(self, task_id: str | None) -> bool:
        """Wait until a task has ended, or for as long as a request can; whether it has. No task has ended already."""
        if task_id is None:
            return True
        self.cloud.nudge()
        return await self.cloud.endings.wait(self.db, task_id, self.cloud.patience)

    async def record(  # noqa: PLR0913
        self,
        tx: Tx,
        api_group: str,
        action_type: str,
        resource_id: str | int,
        *,
        data: dict[str, Any] | None = None,
        task_id: str | None = None,
        name: str | None = None,
    ) -> None:
        """Write a line of the audit log, in the transaction of the change that it tells of; it is found by `name`."""
        action = done_by(
            self.caller,
            api_group,
            action_type,
            action_id=self.cloud.new_id(),
            now=self.cloud.now(),
            resource_id=str(resource_id),
            search_field=name or (data or {}).get("name"),
            project_id=self.place.project_id or None,
            region_id=self.place.region_id or None,
            action_data=data,
            task_id=task_id,
            source_user_ip=self.source_ip,
            user_agent=self.user_agent,
        )
        await user_actions.add(tx, action)


CALL: ContextVar[Call] = ContextVar("call")
"""The request that is being answered; the framework hands it to handlers without looking at it."""
Here = NamedDependency[Call]
"""A handler's parameter `call: Here`."""
