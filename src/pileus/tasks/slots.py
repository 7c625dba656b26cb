"""The slots of a worker: how many tasks it performs at the same time, and whose task gets the next slot.

Downloads and copies have slots of their own, so that no other task waits for them. Within a class of slots, the queues
take turns: each tenant has one for each region. A tenant with n running tasks gets another slot only while more than n
slots are free. So it gets half of the slots while it is alone, and a tenant that comes later finds a free slot at once.
A worker knows only its own slots; all workers together are fair because each of them is.
"""

from collections import Counter
from dataclasses import dataclass, field

from pileus.domain.tasks import SlotClass, Task

SLOT_COUNTS = {SlotClass.QUICK: 64, SlotClass.SLOW: 16}
"""The slots of a worker by class."""


@dataclass(slots=True)
class Slots:
    """The slots of one class; `last_queue` is the queue whose turn was last."""

    slot_class: SlotClass
    count: int
    last_queue: str = ""
    _running_by_client: Counter[int] = field(default_factory=Counter)

    @property
    def free(self) -> int:
        """Return the number of free slots."""
        return self.count - self._running_by_client.total()

    @property
    def is_limited(self) -> bool:
        """Whether a task may have to wait until another one ends."""
        return not self.free or bool(self.list_clients_at_limit())

    def occupy(self, task: Task) -> None:
        """Give a slot to a task."""
        self._running_by_client[task.client_id] += 1

    def release(self, task: Task) -> None:
        """Take the slot of a task that has ended."""
        self._running_by_client[task.client_id] -= 1
        if not self._running_by_client[task.client_id]:
            del self._running_by_client[task.client_id]

    def list_clients_at_limit(self) -> list[int]:
        """Return the tenants that get no further slot until others are free."""
        return [client_id for client_id, running in self._running_by_client.items() if running >= self.free]
