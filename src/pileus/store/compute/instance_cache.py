"""Committed states of instances and their encoded answers, in the memory of one process.

An entry is right for as long as the instance has the stamp of the entry, which each request reads from the database. So
nothing has to be invalidated, whichever process changes an instance. Only what is committed may be kept.
"""

from collections import OrderedDict
from collections.abc import Hashable

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.compute.instance_details import InstanceDetails
from pileus.domain.compute.instances import FirstBootData, Instance
from pileus.domain.places import Place
from pileus.store.compute import instances
from pileus.store.database import Tx

ENTRY_BYTES = 700
"""What an entry needs besides its texts, with its place in the table."""
ANSWER_BYTES = 100
NO_BOOT_DATA = FirstBootData()


class WrongEntryError(Exception):
    """An entry differs from the database although the stamp is the same: a change has not bumped the stamp."""


class InstanceState(Struct, frozen=True):
    """An instance with its details, as one statement has read them."""

    instance: Instance
    details: InstanceDetails


class _Entry(Struct, gc=False):
    """The answers of an instance under one stamp, by their form, and its state, all as bytes, whose size is known."""

    stamp: int
    size: int = ENTRY_BYTES
    state: bytes | None = None
    answers: dict[Hashable, bytes] = field(default_factory=dict)


STATE_ENCODER = msgspec.msgpack.Encoder()
STATE_DECODER = msgspec.msgpack.Decoder(InstanceState)


class InstanceCache:
    """Keeps at most `max_bytes`; the entries that were used least recently make room.

    If it is `checked`, all is read again in spite of it, and compared with what it has.
    """

    def __init__(self, max_bytes: int, *, checked: bool = False) -> None:
        self._max_bytes = max_bytes
        self.checked = checked
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self.bytes = 0

    def clear(self) -> None:
        """Drop all entries, to free their memory."""
        self._entries.clear()
        self.bytes = 0

    def has_answer(self, instance_id: str, form: Hashable) -> bool:
        """Return whether there is an answer in a form, which may be out of date."""
        entry = self._entries.get(instance_id)
        return entry is not None and form in entry.answers

    def find_answer(self, instance_id: str, stamp: int, form: Hashable) -> bytes | None:
        """Return the answer in a form, or None."""
        entry = self._find(instance_id, stamp)
        return None if entry is None else entry.answers.get(form)

    async def get_for_change(self, tx: Tx, place: Place, instance_id: str) -> InstanceState:
        """Return an instance without data of the first boot, locked until the transaction ends. Raises NotFound."""
        # The lock is a statement of its own: what is read by the same statement may be older than the lock.
        stamp = await instances.lock_stamp(tx, place, instance_id)
        entry = self._find(instance_id, stamp)
        kept = None if entry is None else entry.state
        if kept is not None and not self.checked:
            return STATE_DECODER.decode(kept)
        state = InstanceState(*await instances.get_with_details(tx, place, instance_id))
        if kept is None:
            return state
        _check_equal(instance_id, kept, _encode(state))
        return STATE_DECODER.decode(kept)

    def keep_answer(self, instance: Instance, form: Hashable, answer: bytes) -> None:
        """Keep the answer in a form of an instance as it is committed."""
        entry = self._entry_of(instance)
        if form not in entry.answers:
            entry.answers[form] = answer
            self._grow(entry, len(answer) + ANSWER_BYTES)
        elif self.checked:
            _check_equal(instance.id, entry.answers[form], answer)

    def keep_state(self, state: InstanceState) -> None:
        """Keep a committed state for the next change."""
        entry = self._entry_of(state.instance)
        if entry.state is None:
            entry.state = _encode(state)
            self._grow(entry, len(entry.state))
        elif self.checked:
            _check_equal(state.instance.id, entry.state, _encode(state))

    def _find(self, instance_id: str, stamp: int) -> _Entry | None:
        entry = self._entries.get(instance_id)
        if entry is None or entry.stamp != stamp:
            return None
        self._entries.move_to_end(instance_id)
        return entry

    def _entry_of(self, instance: Instance) -> _Entry:
        """Return the entry of an instance, a new one if it has another stamp."""
        if (entry := self._find(instance.id, instance.stamp)) is not None:
            return entry
        if (former := self._entries.pop(instance.id, None)) is not None:
            self.bytes -= former.size
        entry = self._entries[instance.id] = _Entry(instance.stamp)
        self.bytes += entry.size
        return entry

    def _grow(self, entry: _Entry, size: int) -> None:
        entry.size += size
        self.bytes += size
        while self.bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self.bytes -= oldest.size


def _encode(state: InstanceState) -> bytes:
    return STATE_ENCODER.encode(replace(state, instance=replace(state.instance, boot=NO_BOOT_DATA)))


def _check_equal(instance_id: str, kept: bytes, current: bytes) -> None:
    if kept != current:
        raise WrongEntryError(f"Instance {instance_id} is kept as {kept!r}, but it is {current!r}")
