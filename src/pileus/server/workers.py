"""Several processes on one port: started, watched, started again when one dies, and stopped together.

Each is a whole server. They are told their settings through a pipe on their standard input, which stays open as long as
the parent lives: its end tells them to stop, however the parent has died. On their standard output they say why they
cannot start.
"""

import asyncio
import logging
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import msgspec

from pileus.initial_data import prepared_database
from pileus.server.announcement import print_connection_help, wait_until_ready
from pileus.server.startup import StartError, stop_signals
from pileus.settings import Settings

LOG = logging.getLogger("pileus.server")
COMMAND = (sys.executable, "-m", "pileus.server.process")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds before a process that has died is started again; doubled each time, unless it has lived long."""
LONG = 60.0
PATIENCE = 5.0
"""Seconds for processes to stop in before they are killed."""
FIGURES = "PROMETHEUS_MULTIPROC_DIR"


async def supervise(settings: Settings, lock: int | None) -> None:
    """Make the database ready, and keep the processes running until told to stop; raises StartError if none can."""
    stop = stop_signals()
    async with prepared_database(settings, only=True) as home:
        token = home.first_token
    figures, ready = _figures(settings), asyncio.create_task(_ready(settings, token))
    keeping = [
        asyncio.create_task(_keep(settings, number, lock, figures, ready)) for number in range(1, settings.workers + 1)
    ]
    stopping = asyncio.create_task(stop.wait())
    ended, _ = await asyncio.wait({stopping, *keeping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (stopping, ready, *keeping):
        task.cancel()
    await asyncio.gather(stopping, ready, *keeping, return_exceptions=True)
    for task in ended - {stopping}:
        task.result()
    LOG.info("Stopped", extra={"workers": settings.workers})


async def _keep(settings: Settings, number: int, lock: int | None, figures: Path, ready: "asyncio.Task[None]") -> None:
    """Let there be a process; raises StartError if it says that it cannot start before any has."""
    pause = FIRST_PAUSE
    while True:
        began = time.monotonic()
        process = await _started(settings, lock, figures)
        try:
            why = await _said(process)
        except asyncio.CancelledError:
            await _stopped(process)
            raise
        if time.monotonic() - began > LONG:
            pause = FIRST_PAUSE
        if why and not ready.done():
            raise StartError(why)
        told = {"worker": number, "code": process.returncode, "pause": pause} | ({"why": why} if why else {})
        LOG.error("A worker has ended: it is started again", extra=told)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def _started(settings: Settings, lock: int | None, figures: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        pass_fds=() if lock is None else (lock,),
        env={**os.environ, FIGURES: str(figures)},
        # Ctrl-C reaches the parent alone, which stops its processes in order.
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101  # it was asked for
    process.stdin.write(msgspec.json.encode(settings, enc_hook=str) + b"\n")
    return process


async def _said(process: asyncio.subprocess.Process) -> str:
    """Why a process that has ended could not start; nothing if it could."""
    assert process.stdout is not None  # noqa: S101  # it was asked for
    said = await process.stdout.read()
    await process.wait()
    return said.decode("utf-8", "replace")


async def _stopped(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _ready(settings: Settings, token: str | None) -> None:
    await wait_until_ready(settings)
    print_connection_help(settings, token)


def _figures(settings: Settings) -> Path:
    """Where the processes count together, so that each can tell what all have done."""
    folder = settings.data / "figures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
