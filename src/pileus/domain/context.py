"""The context of a change: who makes it, where, and the clock and ids that it may use."""

from collections.abc import Callable
from dataclasses import dataclass

from pileus.domain import limits
from pileus.domain.account.regions import Region
from pileus.domain.catalogue import Catalogue
from pileus.domain.errors import not_found
from pileus.domain.places import Caller, Place
from pileus.domain.tasks import Task


@dataclass(slots=True, kw_only=True)
class Context:
    """Passed through services and planners; clock and ids come from outside, so that rules stay pure.

    `now` returns microseconds since 1970, `new_id` a random id, `new_ordered_id` an id for a table that only grows.
    `request_id`, `source_ip` and `user_agent` go into tasks and the audit log. `task_limit` is the most unfinished
    tasks that a tenant may have. `unsaved_tasks` takes the tasks that are started: whoever set it saves them.
    """

    place: Place
    caller: Caller
    catalogue: Catalogue
    now: Callable[[], int]
    new_id: Callable[[], str]
    new_ordered_id: Callable[[], str]
    task_limit: int
    request_id: str = ""
    source_ip: str | None = None
    user_agent: str | None = None
    tag_limit: int = limits.TAGS.value
    unsaved_tasks: list[Task] | None = None

    def require_region(self) -> Region:
        """Return the region of the place. Raises NotFound."""
        region = self.catalogue.region(self.place.region_id)
        if region is None:
            raise not_found("Region", self.place.region_id)
        return region
