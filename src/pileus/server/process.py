"""One server process, from its start to a clean stop; `python -m pileus.server.process` is a worker of several."""

import asyncio
import gc
import logging
import sys

import msgspec
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar

from pileus.app import run_cloud
from pileus.drivers.consoles import Screens
from pileus.logs import configure
from pileus.server.announcement import print_connection_help, wait_until_ready
from pileus.server.startup import StartError, address_of, friendly_errors, stop_signals
from pileus.settings import SettingError, Settings

LOG = logging.getLogger("pileus.server")
GRACE = 1.5
"""Seconds that requests have to be answered in when the server is to stop."""


def serve_alone(settings: Settings) -> None:
    """Serve as the only process, and say how to reach it."""

    async def main() -> None:
        await serve(settings, stop_signals(), only=True)

    uvloop.run(main())


def work() -> None:
    """Serve as one of several: settings come from the parent as a line of standard input, which ends when it dies.

    What keeps it from starting is said on standard output.
    """
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings, dec_hook=lambda kind, text: kind(text))
    configure(settings.log_level, settings.log_format)

    async def main() -> None:
        stop = stop_signals()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
        await serve(settings, stop, only=False)

    try:
        with friendly_errors(settings):
            uvloop.run(main())
    except (StartError, SettingError) as problem:
        sys.stdout.write(str(problem))
        sys.exit(1)


async def serve(settings: Settings, stop: asyncio.Event, *, only: bool) -> None:
    """Start the cloud, then its server; stop the server, then the cloud."""
    async with run_cloud(settings, only=only) as running:
        gc.enable()
        server = server_of(running.app, settings, websockets=isinstance(running.driver, Screens))
        serving = asyncio.create_task(server.serve())
        ready = asyncio.create_task(_ready(settings, running.first_token, only=only))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            raise StartError(f"The HTTP server has ended by itself: {serving.exception()}")
        ready.cancel()
        server.stop()  # type: ignore[no-untyped-call]  # the library's own
        await asyncio.wait({serving}, timeout=GRACE)
    LOG.info("Stopped")


def server_of(app: Litestar, settings: Settings, *, websockets: bool) -> Server:
    """An HTTP server for an application; several processes may listen on one port."""
    return Server(
        app,
        address=address_of(settings.host),
        port=settings.port,
        interface=Interfaces.ASGINL,
        websockets=websockets,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=int(settings.header_timeout * 1000)),
        backlog=1024,
        log_enabled=False,
    )


async def _ready(settings: Settings, first_token: str | None, *, only: bool) -> None:
    await wait_until_ready(settings)
    if only:
        print_connection_help(settings, first_token)
    # What is there by now stays: the collector need not look at it again.
    gc.freeze()
    LOG.info("Ready")


if __name__ == "__main__":
    work()
