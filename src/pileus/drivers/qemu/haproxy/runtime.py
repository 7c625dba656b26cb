"""The sockets of a running HAProxy: states of servers, counters and processes."""

import asyncio
import csv
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

from msgspec import Struct

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import BalancedTraffic
from pileus.drivers.qemu.haproxy.backends import ServerState
from pileus.drivers.qemu.haproxy.configuration import MASTER_SOCKET, STATS_SOCKET
from pileus.drivers.qemu.paths import short_socket_path

FAILED_RELOADS = re.compile(r"\[failed: (\d+)\]")
ANSWER_TIMEOUT = 5.0
"""Seconds."""
COUNTERS: Mapping[str, str] = {
    "active_connections": "scur",
    "total_connections": "stot",
    "bytes_in": "bin",
    "bytes_out": "bout",
    "request_errors": "ereq",
}
"""Columns of HAProxy's statistics by the fields of `BalancedTraffic`."""


class HaproxyUnavailable(OSError):
    """HAProxy does not answer: it does not run, or has just been started."""


class ProcessList(Struct, frozen=True):
    """The processes that serve connections: the present one, those that only end their own, and failed changes."""

    worker: int | None
    former: list[int]
    failed_reloads: int

    @property
    def all_workers(self) -> list[int]:
        """All of them."""
        return [*([self.worker] if self.worker else []), *self.former]


class HaproxySockets:
    """The sockets in the directory that HAProxy runs in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def ask(self, command: str) -> str:
        """Send a command to the present worker and return its answer. Raises HaproxyUnavailable."""
        return await self._exchange(STATS_SOCKET, command)

    async def set_server_state(self, name: str, state: ServerState) -> None:
        """Set the weight of a server, and whether it gets traffic. Raises DriverError if HAProxy refuses that."""
        for command in (
            f"set server {name} weight {state.weight}",
            f"set server {name} state {'ready' if state.enabled else 'maint'}",
        ):
            if message := (await self.ask(command)).strip():
                raise DriverError(f"HAProxy refuses to change {name}: {message}", retryable=True)

    async def server_statuses(self) -> dict[str, str]:
        """Return the status of each server by its name with that of the backend."""
        answer = await self.ask("show stat -1 4 -1")
        return {f"{row['# pxname']}/{row['svname']}": row["status"] for row in _rows(answer)}

    async def list_processes(self) -> ProcessList:
        """Return the processes. Raises HaproxyUnavailable."""
        workers: dict[bool, list[int]] = {False: [], True: []}
        is_former, failed_count = False, 0
        for line in (await self._exchange(MASTER_SOCKET, "show proc")).splitlines():
            is_former = is_former or line.startswith("# old workers")
            fields = line.split()
            if len(fields) > 1 and fields[1] == "worker":
                workers[is_former].append(int(fields[0]))
            elif match := FAILED_RELOADS.search(line):
                failed_count = int(match[1])
        return ProcessList(next(iter(workers[False]), None), workers[True], failed_count)

    async def start_reload(self) -> None:
        """Let HAProxy read its configuration again. Raises HaproxyUnavailable."""
        await self._exchange(MASTER_SOCKET, "reload")

    async def traffic_of_worker(self, pid: int) -> dict[str, BalancedTraffic]:
        """Return what a worker has counted, by the names of its frontends. Raises HaproxyUnavailable."""
        answer = await self._exchange(MASTER_SOCKET, f"@!{pid} show stat -1 1 -1")
        return {
            row["# pxname"]: BalancedTraffic(**{name: int(row[column] or 0) for name, column in COUNTERS.items()})
            for row in _rows(answer)
        }

    async def _exchange(self, socket: str, command: str) -> str:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                with short_socket_path(self._folder / socket) as address:
                    reader, writer = await asyncio.open_unix_connection(address)
                try:
                    writer.write(f"{command}\n".encode())
                    writer.write_eof()
                    return (await reader.read()).decode("utf-8", "replace")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as problem:
            raise HaproxyUnavailable(f"HAProxy does not answer: {problem}") from problem


def _rows(answer: str) -> Iterator[dict[str, str]]:
    """Yield the rows of statistics."""
    return iter(csv.DictReader(StringIO(answer.strip())))
