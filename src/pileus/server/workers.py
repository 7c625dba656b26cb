"""Worker processes that share a port: start them, restart those that die, stop all together.

Each worker is a complete server. It reads its settings from a pipe on standard input. The pipe stays open as long as
the parent lives, so its end stops the worker however the parent has died. A worker writes the error that prevents its
start to standard output.
"""

import asyncio
import logging
import os
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pileus.initial_data import open_seeded_database
from pileus.server.announcement import has_terminal, print_connection_help, print_start_failures, wait_until_ready
from pileus.server.service_manager import READY, notify_service_manager, report_to_service_manager
from pileus.server.start_steps import complete_start, ensure_key_of_start
from pileus.server.startup import (
    StartError,
    install_stop_signals,
    raise_failure,
    resolve_host,
    stop_after_failure,
)
from pileus.settings import Settings

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    # It loads the API, which the parent of workers only needs in some starts.
    from pileus.api_keys import ApiKeyAdmin

LOG = logging.getLogger("pileus.server")
COMMAND = (sys.executable, "-m", "pileus.server.process")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds before a dead worker is restarted; doubled each time, unless it ran for STABLE_SECONDS."""
STABLE_SECONDS = 60.0
STOP_SECONDS = 5.0
"""Seconds that a worker gets to stop before it is killed."""
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


async def supervise_workers(settings: Settings, lock: int | None) -> None:
    """Prepare the database and keep the workers running until a stop signal. Raises StartError if none can start."""
    stop = install_stop_signals()
    async with report_to_service_manager(stop):
        await _supervise_until(stop, settings, lock)


async def _supervise_until(stop: asyncio.Event, settings: Settings, lock: int | None) -> None:
    async with open_seeded_database(settings, exclusive=True) as database:
        token = database.first_token
    metrics, ready = _metrics_directory(settings), asyncio.create_task(_announce_when_ready(settings, token))
    workers = [
        asyncio.create_task(_keep_worker_running(settings, number, lock, metrics, ready))
        for number in range(1, settings.workers + 1)
    ]
    ready.add_done_callback(lambda _: stop_after_failure(ready, stop))
    stopping = asyncio.create_task(stop.wait())
    ended, _ = await asyncio.wait({stopping, *workers}, return_when=asyncio.FIRST_COMPLETED)
    for task in (stopping, ready, *workers):
        task.cancel()
    await asyncio.gather(stopping, ready, *workers, return_exceptions=True)
    raise_failure(ready)
    for task in ended - {stopping}:
        task.result()
    LOG.info("Stopped", extra={"workers": settings.workers})


async def _keep_worker_running(
    settings: Settings, number: int, lock: int | None, metrics: Path, ready: "asyncio.Task[None]"
) -> None:
    """Start a worker, again and again. Raises StartError if it reports an error before any worker was ready."""
    pause = FIRST_PAUSE
    while True:
        started_at = time.monotonic()
        process = await _start_worker(settings, lock, metrics)
        try:
            reason = await _read_start_error(process)
        except asyncio.CancelledError:
            await _stop_worker(process)
            raise
        if time.monotonic() - started_at > STABLE_SECONDS:
            pause = FIRST_PAUSE
        if reason and not ready.done():
            raise StartError(reason)
        fields = {"worker": number, "code": process.returncode, "pause": pause} | ({"why": reason} if reason else {})
        LOG.error("A worker has ended: it is started again", extra=fields)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def _start_worker(settings: Settings, lock: int | None, metrics: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        pass_fds=() if lock is None else (lock,),
        env={**os.environ, METRICS_VARIABLE: str(metrics)},
        # Ctrl-C reaches only the parent, which stops its workers in order.
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101  # PIPE was requested
    process.stdin.write(msgspec.json.encode(settings, enc_hook=str) + b"\n")
    return process


async def _read_start_error(process: asyncio.subprocess.Process) -> str:
    """Wait until the worker ends; return the error that prevented its start, or an empty string."""
    assert process.stdout is not None  # noqa: S101  # PIPE was requested
    output = await process.stdout.read()
    await process.wait()
    return output.decode("utf-8", "replace")


async def _stop_worker(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _announce_when_ready(settings: Settings, token: str | None) -> None:
    await wait_until_ready(settings)
    async with ensure_key_of_start(settings, partial(_open_api_keys, settings)) as settings_with_key:
        report = await complete_start(settings_with_key, resolve_host(settings.host))
    print_connection_help(settings, token, await _make_console_ticket(settings) if has_terminal() else "")
    print_start_failures(report)
    notify_service_manager(READY)


async def _make_console_ticket(settings: Settings) -> str:
    async with _open_api_keys(settings) as keys:
        return await keys.create_console_ticket()


def _open_api_keys(settings: Settings) -> "AbstractAsyncContextManager[ApiKeyAdmin]":
    from pileus.app import open_api_keys  # noqa: PLC0415  # the parent of workers loads the API only if needed

    return open_api_keys(settings)


def _metrics_directory(settings: Settings) -> Path:
    """Make the directory in which the workers share their metrics."""
    folder = settings.data / "figures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
