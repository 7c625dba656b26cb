"""The state of the whole simulated cloud, as one file."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Annotated, Any

import litestar
from litestar import get, put
from litestar.params import QueryParameter
from litestar.response import Stream

from pileus.api.authorization import CONTROL
from pileus.api.context import Ctx
from pileus.api.routes.simulation.resets import check_drivers

CHUNK = 1 << 18
MEDIA_TYPE = "application/gzip"
PlainSecrets = Annotated[
    bool, QueryParameter(description="Write secrets in plain text, so that a server with another key can load them.")
]


@get("/state", opt=CONTROL, media_type=MEDIA_TYPE)
async def save_state(ctx: Ctx, plain_secrets: PlainSecrets = False) -> Stream:  # a query parameter
    """Get the state of the whole cloud as one file: all tenants, keys, resources, tasks and simulated machines.

    The file is that of one moment, although requests go on. It holds the digests of keys and passwords, and secrets of
    tenants as the database has them: encrypted by the key of the server, or, with `plain_secrets`, in plain text.
    """
    check_drivers(ctx)
    file = await ctx.app.states.save(plain_secrets=plain_secrets)
    size = os.fstat(file.fileno()).st_size
    return Stream(_read_chunks(file), media_type=MEDIA_TYPE, headers={"Content-Length": str(size)})


@put("/state", opt=CONTROL, status_code=204, request_max_body_size=None)
async def load_state(ctx: Ctx, request: litestar.Request[Any, Any, Any]) -> None:
    """Replace everything in the cloud by a file of `GET /_pileus/state`, also of another server or an older version.

    Ids and addresses are those of the file, tenants have the keys of the file, and tasks that had not ended go on.
    Operators' keys of this server stay valid, and its catalogue stays. If anything is wrong with the file, nothing
    changes: 400 says what. The rest is as with a reset of the cloud.
    """
    check_drivers(ctx)
    with tempfile.TemporaryFile(prefix="pileus-state-") as file:
        async for chunk in request.stream():
            await asyncio.to_thread(file.write, chunk)
        file.seek(0)
        await ctx.app.states.load(file, ctx.caller)


async def _read_chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


ROUTES = [save_state, load_state]
