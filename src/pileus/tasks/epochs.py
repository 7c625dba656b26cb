"""Epochs of the cloud: a reset of everything, and a loaded state, begin a new one.

A request that was authenticated in an earlier epoch writes nothing any more: its caller, and the ids that it has read,
may be gone or mean something else. Each process learns of a new epoch as of any control.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pileus.domain.errors import Unavailable
from pileus.store import controls
from pileus.store.database import Tx

EPOCH = "epoch"
ENDED = "The cloud was reset, or its state was loaded, while the request was under way: send it again"


@dataclass(slots=True)
class Epochs:
    """The epoch that this process has read, in which requests begin, and the latest that it has begun itself.

    The listeners drop what they keep in memory when a new one has begun.
    """

    current: int = 0
    _latest: int = 0
    _seen: int | None = None
    _listeners: list[Callable[[], None]] = field(default_factory=list)

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Have a function called when a new epoch has begun."""
        self._listeners.append(listener)

    async def begin(self, tx: Tx) -> None:
        """Begin a new epoch with the commit of a transaction, of `Controls.change`.

        Requests of this process that are under way come too late from now on: some wait behind the transaction.
        """
        self._latest = tx.stamp
        await controls.save(tx, EPOCH, tx.stamp)
        # The former one may be gone with the contents of the cloud.
        await controls.renew_stamp(tx)

    @contextmanager
    def continue_on_failure(self) -> Iterator[None]:
        """Continue the current epoch if the transaction that begins another one fails."""
        has_begun = False
        try:
            yield
            has_begun = True
        finally:
            if not has_begun:
                self._latest = self.current

    async def read(self, tx: Tx) -> None:
        """Read the epoch, as a control."""
        epoch = await controls.find(tx, EPOCH, int) or 0
        is_new = self._seen not in (None, epoch)
        self.current = self._latest = self._seen = epoch
        for listener in self._listeners if is_new else ():
            listener()

    def check_unchanged(self, epoch: int) -> None:
        """Raise Unavailable if an epoch has ended."""
        if epoch != self._latest:
            raise Unavailable(ENDED)
