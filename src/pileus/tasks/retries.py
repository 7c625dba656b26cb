"""When a task is tried again after a step has failed or is not yet done: patience by the kind of failure."""

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Problem, Stale, Unavailable
from pileus.domain.tasks import Task
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable, NotYetDone

MAX_ATTEMPTS = 5
"""Attempts of one step, the first one included."""
FIRST_RETRY_DELAY = 500_000
"""Microseconds before the first retry; doubled for each further one."""
LONGEST_OUTAGE, LONGEST_PAUSE = 3_600_000_000, 30_000_000
"""Microseconds for which a task waits until a driver answers, and between two looks at it."""
LONGEST_WAIT, SHORTEST_LOOK, LONGEST_LOOK = 86_400_000_000, 100_000, 300_000_000
"""Microseconds in which a step has to be done, and the least and most between two looks at it."""


class Retry(Struct, frozen=True):
    """A task as it waits for its next try, and the microseconds until then."""

    task: Task
    delay: int


def plan_retry(task: Task, failure: Exception, system_now: int) -> Retry | None:
    """Return when a task is tried again after a failure; None if no try is left or none can help.

    Neither an outage of what the driver works with, or of the database, nor a step that is not yet done is an attempt.
    """
    if isinstance(failure, NotYetDone):
        since = task.waiting_since or system_now
        delay = min(max(SHORTEST_LOOK, int(failure.seconds * 1_000_000)), LONGEST_LOOK)
        waiting = replace(task, waiting_since=since, unreachable_since=None)
        return Retry(waiting, delay) if system_now - since < LONGEST_WAIT else None
    if isinstance(failure, DriverUnreachable | Unavailable):
        since = task.unreachable_since or system_now
        delay = min(max(FIRST_RETRY_DELAY, system_now - since), LONGEST_PAUSE)
        return Retry(replace(task, unreachable_since=since), delay) if system_now - since < LONGEST_OUTAGE else None
    if not _is_retryable(failure) or task.attempts + 1 >= MAX_ATTEMPTS:
        return None
    return Retry(replace(task, attempts=task.attempts + 1, unreachable_since=None), FIRST_RETRY_DELAY << task.attempts)


def _is_retryable(failure: Exception) -> bool:
    """Return what a DriverError says; other problems are final, and unexpected failures are retried."""
    if isinstance(failure, DriverError):
        return failure.retryable
    return isinstance(failure, Stale) or not isinstance(failure, Problem)


def explain_failure(failure: Exception) -> str:
    """Return the message if it is meant for tenants; internal details are not shown."""
    if isinstance(failure, NotYetDone):
        return f"The work did not end within {LONGEST_WAIT // 3_600_000_000} hours"
    if isinstance(failure, DriverError | Problem):
        return str(failure)
    return "Internal error"
