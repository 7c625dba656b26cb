"""Says how to reach a server, as soon as it answers."""

import asyncio
import os
import shlex
import sys

from pileus.seeding import KEY_FILE, PROJECT, catalogue_of
from pileus.settings import Settings

LOOK_AGAIN = 0.01
"""Seconds."""


async def answers(settings: Settings) -> None:
    """Return when the server answers that it is ready."""
    while not await _is_ready(settings.host, settings.port):  # noqa: ASYNC110  # only asking tells
        await asyncio.sleep(LOOK_AGAIN)


def announce(settings: Settings, first_token: str | None) -> None:
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


async def _is_ready(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return b" 200 " in line
