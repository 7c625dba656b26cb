"""Says how to reach a server, as soon as it answers."""

import asyncio
import logging
import os
import shlex
import sys

import msgspec

from pileus.initial_data import KEY_FILE, PROJECT, catalogue_of
from pileus.settings import Settings

LOG = logging.getLogger("pileus.server")
SILENT = "does not answer"
LOOK_AGAIN, LONGEST_PAUSE = 0.01, 1.0
"""Seconds until it is asked again; doubled each time that it answers something else than that it is ready."""


async def wait_until_ready(settings: Settings) -> None:
    """Return when the server answers that it is ready; what keeps it from being so is told once."""
    pause, told = LOOK_AGAIN, ""
    while wrong := await _unready(settings.host, settings.port):
        if wrong not in (SILENT, told):
            LOG.warning("Not ready yet", extra={"why": wrong})
        if wrong != SILENT:
            pause, told = min(2 * pause, LONGEST_PAUSE), wrong
        await asyncio.sleep(pause)


def print_connection_help(settings: Settings, first_token: str | None) -> None:
    """Print what clients need to know, to be copied into a shell; a key that was just made is shown this once."""
    base = settings.address
    sys.stdout.write(
        f"""Pileus is ready.

export GCORE_BASE_URL={base}
export GCORE_API_KEY={_key(settings, first_token)}
export GCORE_CLOUD_PROJECT_ID={PROJECT}
export GCORE_CLOUD_REGION_ID={catalogue_of(settings).default_region}

API reference: {base}/schema      Ctrl-C stops.
"""
    )
    sys.stdout.flush()


def _key(settings: Settings, first_token: str | None) -> str:
    if settings.api_key:
        return '"$PILEUS_API_KEY"' if os.environ.get("PILEUS_API_KEY") else "(the one that you have set)"
    if first_token:
        return first_token
    file = settings.data.resolve() / KEY_FILE
    return f"$(cat {shlex.quote(str(file))})" if file.exists() else "$(pileus keys create NAME)"


async def _unready(host: str, port: int) -> str:
    """What keeps a server from being ready, in its own words; nothing if it is."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    except OSError:
        return SILENT
    writer.close()
    if b" 200 " in head.partition(b"\r\n")[0]:
        return ""
    return str(msgspec.json.decode(body)["message"]) if body else SILENT
