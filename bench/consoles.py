"""The web console: the time until a browser shows the first list, and what open consoles cost the server.

An open console has a stream of changes, and reads what it shows again: a page of a list once a minute, and when
something has changed.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench.clouds import Clouds
from bench.population import instance_id
from bench.results import Result, Skipped, at_most
from bench.servers import HEADERS, INSTANCE, KEY, LIST, Server, free_port, run_pileus

BROWSER = Path(__file__).parents[1] / "tests" / "browser"
PAGE = {"limit": "25", "offset": "0", "include_k8s": "false"}
IDLE_SECONDS, DEBOUNCE_SECONDS = 60.0, 0.25
"""How often a console reads its list again, and how long it waits for further changes before it does."""
CHANGE_SECONDS = 10.0
PERCENT = 100


def measure_consoles(clouds: Clouds) -> Iterator[Result | Skipped]:
    """Measure the first list in a browser, then the consoles without changes, and with a change every ten seconds."""
    sizes = clouds.sizes
    with run_pileus(clouds.standard_data(), free_port()) as server:
        yield _measure_first_list(server, sizes.rounds)
        for name, pause, goal in (
            ("", 0.0, at_most(5)),
            (f", a change every {CHANGE_SECONDS:g} s", CHANGE_SECONDS, None),
        ):
            share, idle = asyncio.run(_measure_open(server, sizes.consoles, sizes.console_seconds, pause))
            details = f"{idle:.1f} % without consoles"
            yield Result(f"{sizes.consoles} open consoles{name}", [share], "% of a CPU", goal, details)


def _measure_first_list(server: Server, rounds: int) -> Result | Skipped:
    """Measure from the start of a navigation until the first row is there, each time in a new profile."""
    name = "console: first list"
    if not (shutil.which("chromium") and shutil.which("npm")):
        return Skipped(name, "Chromium or npm is missing (apt-get install chromium npm)")
    if not (BROWSER / "node_modules").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=BROWSER, check=True)
    scenario = json.dumps({"scenario": "time_first_list", "rounds": rounds}) + "\n"
    command = ["node", str(BROWSER / "scenarios.mjs"), server.url, KEY, ""]
    output = subprocess.run(command, input=scenario, check=True, capture_output=True, text=True).stdout
    return Result(name, json.loads(output)["result"], "ms", at_most(300))


async def _measure_open(server: Server, consoles: int, seconds: float, pause: float) -> tuple[float, float]:
    """Return the CPU of open consoles in percent of a core, and that of the server alone."""
    idle = await _measure_share(server, seconds / 2)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=consoles)
    async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, timeout=60, limits=limits) as client:
        open_consoles = [Console(client, share=number / consoles) for number in range(consoles)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(console.run()) for console in open_consoles]
            await asyncio.gather(*(console.is_open.wait() for console in open_consoles))
            if pause:
                tasks.append(group.create_task(_change(client, pause)))
            share = await _measure_share(server, seconds)
            for task in tasks:
                task.cancel()
    return share - idle, idle


async def _measure_share(server: Server, seconds: float) -> float:
    before = server.cpu_seconds()
    await asyncio.sleep(seconds)
    return PERCENT * (server.cpu_seconds() - before) / seconds


async def _change(client: httpx.AsyncClient, pause: float) -> None:
    """Rename an instance again and again."""
    number = 0
    while True:
        number += 1
        (await client.patch(f"{INSTANCE}{instance_id(0)}", json={"name": f"changed-{number}"})).raise_for_status()
        await asyncio.sleep(pause)


class Console:
    """A console that shows the first page of the instances. `share` is its part of the minute between two reads."""

    def __init__(self, client: httpx.AsyncClient, share: float) -> None:
        self.is_open = asyncio.Event()
        self._client = client
        self._share = share
        self._has_changed = asyncio.Event()

    async def run(self) -> None:
        """Follow the stream, and read the list, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_each_minute())
            group.create_task(self._read_after_changes())
            await self._follow_changes()

    async def _follow_changes(self) -> None:
        async with self._client.stream("GET", "/ui/changes") as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                self.is_open.set()
                if line.startswith("event:"):
                    self._has_changed.set()

    async def _read_each_minute(self) -> None:
        await asyncio.sleep(self._share * IDLE_SECONDS)
        while True:
            await self._read_list()
            await asyncio.sleep(IDLE_SECONDS)

    async def _read_after_changes(self) -> None:
        while True:
            await self._has_changed.wait()
            await asyncio.sleep(DEBOUNCE_SECONDS)
            self._has_changed.clear()
            await self._read_list()

    async def _read_list(self) -> None:
        (await self._client.get(LIST, params=PAGE)).raise_for_status()
