"""Serves the API: one process, or several that share a port, each of them whole (API and worker)."""

import asyncio
import errno
import logging
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from pileus.app import Running, started
from pileus.logs import configure
from pileus.seeding import KEY_FILE
from pileus.settings import Settings

LOG = logging.getLogger(__name__)


class PortTakenError(Exception):
    """Somebody else listens on the port."""


def run(settings: Settings) -> None:
    """Serve until told to stop (SIGINT, SIGTERM)."""
    configure(settings.log_level, settings.log_format)
    claim_port(settings.host, settings.port)
    uvloop.run(serve(settings))


def claim_port(host: str, port: int) -> None:
    """Make sure that nobody listens there, as the server's own socket would share the port silently."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(f"Port {port} on {host} is taken: stop what listens there, or use --port") from error
            raise


async def serve(settings: Settings) -> None:
    """Start the cloud, then its server; stop the server, then the cloud."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with started(settings) as running:
        server = Server(
            running.app,
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGINL,
            websockets=False,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=int(settings.header_timeout * 1000)),
            backlog=1024,
            log_enabled=False,
        )
        serving = asyncio.create_task(server.serve())
        announcing = asyncio.create_task(announce(settings, running))
        await asyncio.wait({serving, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        announcing.cancel()
        server.stop()
        with suppress(asyncio.CancelledError):
            await serving
    LOG.info("Stopped")


async def announce(settings: Settings, running: Running) -> None:
    """Say how to reach the server as soon as it answers."""
    while not await _answers(settings.host, settings.port):
        await asyncio.sleep(0.01)
    base = settings.public_url or f"http://{settings.host}:{settings.port}"
    key = running.first_token if running.first_token else f"$(cat {Path(settings.data).resolve() / KEY_FILE})"
    sys.stdout.write(
        f"""Pileus is ready.

export GCORE_BASE_URL={base}
export GCORE_API_KEY={key}
export GCORE_CLOUD_PROJECT_ID=1
export GCORE_CLOUD_REGION_ID={running.cloud.catalogue.default_region}

API reference: {base}/schema      Ctrl-C stops.
"""
    )
    sys.stdout.flush()


async def _answers(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return b" 200 " in line
