"""A request as its handler sees it: who asks, where, and the server that it asks."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from litestar.di import NamedDependency

from pileus.api.authentication import Authenticator
from pileus.domain.account.regions import Region
from pileus.domain.account.user_actions import new_user_action
from pileus.domain.catalogue import Catalogue
from pileus.domain.errors import not_found
from pileus.domain.places import Caller, Place
from pileus.domain.tasks import Task, new_task
from pileus.drivers.protocols.compute import Compute
from pileus.outbound.protocols import Notifier
from pileus.store import tasks
from pileus.store.account import user_actions
from pileus.store.database import Database, Tx
from pileus.tasks.completion import TaskWaiters


@dataclass(slots=True)
class AppState:
    """What every request shares."""

    db: Database
    catalogue: Catalogue
    now: Callable[[], int]
    new_id: Callable[[], str]
    wake_engine: Callable[[], None]
    driver: Compute
    notifier: Notifier
    legacy_fields: bool = False
    task_waiters: TaskWaiters = field(default_factory=TaskWaiters)
    patience: float = 25.0
    """Seconds that a request waits for the end of a task, where it answers with what has come of it."""
    authenticator: Authenticator = field(init=False)

    def __post_init__(self) -> None:
        self.authenticator = Authenticator(self.db)


@dataclass(slots=True)
class RequestContext:
    """One request."""

    app: AppState
    caller: Caller
    place: Place
    request_id: str
    source_ip: str | None
    user_agent: str | None

    @property
    def db(self) -> Database:
        """The database."""
        return self.app.db

    def region(self) -> Region:
        """The region that the path names; raises NotFound."""
        found = self.app.catalogue.region(self.place.region_id)
        if found is None:
            raise not_found("Region", self.place.region_id)
        return found

    async def start_task(  # each is a fact of its own
        self, tx: Tx, task_type: str, task_id: str, args: dict[str, Any], *, data: dict[str, Any] | None = None
    ) -> Task:
        """Write the task that does the long part of a request, in the transaction that locks what it works on."""
        task = new_task(
            task_id,
            task_type,
            self.caller,
            self.place,
            request_id=self.request_id,
            now=self.app.now(),
            args=args,
            data=data,
        )
        return await tasks.add(tx, task)

    async def wait_for_task(self, task_id: str | None) -> bool:
        """Wait until a task has ended, or for as long as a request can; whether it has. No task has ended already."""
        if task_id is None:
            return True
        self.app.wake_engine()
        return await self.app.task_waiters.wait(self.db, task_id, self.app.patience)

    async def audit(  # noqa: PLR0913
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
        action = new_user_action(
            self.caller,
            api_group,
            action_type,
            action_id=self.app.new_id(),
            now=self.app.now(),
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


CONTEXT: ContextVar[RequestContext] = ContextVar("call")
"""The request that is being answered; the framework hands it to handlers without looking at it."""
Context = NamedDependency[RequestContext]
"""A handler's parameter `call: Here`."""
