"""Records of load balancers in the state file: what is balanced, by which process, and what it has counted."""

from collections.abc import Collection

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import BalancedTraffic, LoadBalancerSpec, TlsTexts
from pileus.drivers.qemu.haproxy.backends import ServerState
from pileus.drivers.qemu.state import QemuStateFile

TrafficByListener = dict[str, BalancedTraffic]


class LoadBalancerRecord(Struct, frozen=True, kw_only=True):
    """A load balancer, and the process that was last started for it, which `started` tells from a later one.

    `loaded` is the configuration that the process has, without what has been changed while it runs: the `states`.
    `starts` counts the processes.
    """

    load_balancer: LoadBalancerSpec
    pid: int | None = None
    started: str | None = None
    user_id: int | None = None
    starts: int = 0
    loaded: str | None = None
    states: dict[str, ServerState] = field(default_factory=dict)


class TrafficRecord(Struct, frozen=True, kw_only=True):
    """What has been counted: by processes that have ended, and by those that ran at the last look."""

    ended: TrafficByListener = field(default_factory=dict)
    workers: dict[str, TrafficByListener] = field(default_factory=dict)

    @property
    def total(self) -> TrafficByListener:
        """The sums by listener."""
        return _sum([self.ended, *self.workers.values()])

    def updated(self, workers: dict[str, TrafficByListener]) -> "TrafficRecord":
        """Return the record after a look at the present workers. Those that are gone have no connections."""
        gone = [traffic for name, traffic in self.workers.items() if name not in workers]
        closed = [{key: replace(count, active_connections=0) for key, count in traffic.items()} for traffic in gone]
        return TrafficRecord(ended=_sum([self.ended, *closed]), workers=workers)

    def of_listeners(self, listener_ids: Collection[str]) -> "TrafficRecord":
        """Return the record without other listeners, as those that are deleted."""
        return TrafficRecord(
            ended=_only(self.ended, listener_ids),
            workers={name: _only(traffic, listener_ids) for name, traffic in self.workers.items()},
        )


class LoadBalancerRecords:
    """The records of all load balancers."""

    def __init__(self, state: QemuStateFile) -> None:
        self._db = state.db

    def find(self, load_balancer_id: str) -> LoadBalancerRecord | None:
        """Return a record, or None."""
        query = "SELECT known FROM load_balancers WHERE id = ?"
        row = self._db.execute(query, (load_balancer_id,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=LoadBalancerRecord)

    def get(self, load_balancer_id: str) -> LoadBalancerRecord:
        """Return a record. Raises DriverError if there is none."""
        record = self.find(load_balancer_id)
        if record is None:
            raise DriverError(f"Load balancer {load_balancer_id} does not exist", retryable=False)
        return record

    def by_id(self) -> dict[str, LoadBalancerRecord]:
        """Return all records."""
        rows = self._db.execute("SELECT id, known FROM load_balancers ORDER BY id").fetchall()
        return {record_id: msgspec.json.decode(text, type=LoadBalancerRecord) for record_id, text in rows}

    def save(self, record: LoadBalancerRecord) -> None:
        """Insert or update a record, without secrets: those are in the files that HAProxy reads."""
        spec = replace(record.load_balancer, tls=TlsTexts())
        text = msgspec.json.encode(replace(record, load_balancer=spec)).decode()
        self._db.execute(
            "INSERT INTO load_balancers (id, known, traffic) VALUES (?, ?, '{}')"
            " ON CONFLICT (id) DO UPDATE SET known = excluded.known",
            (spec.id, text),
        )

    def delete(self, load_balancer_id: str) -> None:
        """Delete a record and the counters."""
        self._db.execute("DELETE FROM load_balancers WHERE id = ?", (load_balancer_id,))

    def traffic(self, load_balancer_id: str) -> TrafficRecord:
        """Return what has been counted; nothing if the load balancer does not exist, or not any more."""
        query = "SELECT traffic FROM load_balancers WHERE id = ?"
        row = self._db.execute(query, (load_balancer_id,)).fetchone()
        return TrafficRecord() if row is None else msgspec.json.decode(row[0], type=TrafficRecord)

    def save_traffic(self, load_balancer_id: str, traffic: TrafficRecord) -> None:
        """Save what has been counted."""
        text = msgspec.json.encode(traffic).decode()
        self._db.execute("UPDATE load_balancers SET traffic = ? WHERE id = ?", (text, load_balancer_id))


def _sum(traffics: list[TrafficByListener]) -> TrafficByListener:
    total: TrafficByListener = {}
    for traffic in traffics:
        for listener_id, count in traffic.items():
            total[listener_id] = total.get(listener_id, BalancedTraffic()) + count
    return total


def _only(traffic: TrafficByListener, listener_ids: Collection[str]) -> TrafficByListener:
    return {listener_id: count for listener_id, count in traffic.items() if listener_id in listener_ids}
