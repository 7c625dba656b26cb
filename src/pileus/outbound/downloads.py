"""Fetches what tenants name by an address, within bounds: how much, how long, and from where.

Where tenants may go is said in `reaching.py`; each redirect is judged in the same way. Settings of proxies are not
looked at.
"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO

import httpx
from msgspec import Struct

from pileus.drivers.protocols.compute import DriverError, Fetching
from pileus.drivers.protocols.images import Fetched
from pileus.outbound.image_formats import HEAD
from pileus.outbound.ssrf_guard import Address, NotPublic, UnknownName, pin_request, port_of, resolve_public

SCHEMES = ("http", "https")
REDIRECTS = 5
IDLE = 30.0
"""Seconds without a byte after which a server is given up."""
CHUNK = 1 << 20
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which another try may help."""
DIGESTS = ("Repr-Digest", "Content-Digest", "Digest")


class Fetch(Struct, frozen=True, kw_only=True):
    """What has come: how much, its SHA-256 as hex digits, and its first bytes."""

    size: int
    checksum: str
    head: bytes


async def fetch(url: str, bounds: Fetching, fetched: Fetched, into: BinaryIO | None = None) -> Fetch:
    """Fetch all that is at an address, into a file if one is given; raises DriverError, which says what was wrong."""
    try:
        async with asyncio.timeout(bounds.seconds), _answered(url, bounds) as answer:
            return await _read(answer, bounds, fetched, into)
    except TimeoutError:
        raise DriverError(f"The image was not there after {bounds.seconds:g} seconds", retryable=False) from None
    except httpx.InvalidURL as problem:
        raise DriverError(f"The image's address is wrong: {problem}", retryable=False) from problem
    except httpx.HTTPError as problem:
        told = str(problem) or type(problem).__name__
        raise DriverError(f"The image could not be fetched: {told}", retryable=True) from problem


@asynccontextmanager
async def _answered(url: str, bounds: Fetching) -> AsyncIterator[httpx.Response]:
    """The answer that has the image."""
    timeout = httpx.Timeout(IDLE)
    async with httpx.AsyncClient(trust_env=False, timeout=timeout, follow_redirects=False) as client:
        answer = await _last(client, httpx.URL(url), bounds)
        try:
            yield _good(answer)
        finally:
            await answer.aclose()


async def _last(client: httpx.AsyncClient, target: httpx.URL, bounds: Fetching) -> httpx.Response:
    """The answer at the end of all redirects."""
    for _ in range(REDIRECTS + 1):
        answer = await _asked(client, target, bounds)
        if not answer.has_redirect_location:
            return answer
        await answer.aclose()
        target = _followed(target, answer.headers["Location"])
    raise DriverError(f"The image's address leads on and on: more than {REDIRECTS} redirects", retryable=False)


async def _asked(client: httpx.AsyncClient, target: httpx.URL, bounds: Fetching) -> httpx.Response:
    """The answer of the first of a name's addresses that can be reached; its certificate has to be the name's."""
    unreached: httpx.ConnectError | None = None
    for address in await _addresses(target, bounds):
        request = client.build_request("GET", **pin_request(target, address, {"Accept-Encoding": "identity"}))
        try:
            return await client.send(request, stream=True)
        except httpx.ConnectError as problem:
            unreached = problem
    raise unreached or DriverError(f"{target.raw_host.decode()} has no address", retryable=True)


async def _addresses(target: httpx.URL, bounds: Fetching) -> list[Address]:
    """Where a name leads; raises DriverError if any of it is not to be reached."""
    if target.scheme not in SCHEMES or not target.host:
        raise DriverError("Images are fetched by http and https only", retryable=False)
    try:
        return await resolve_public(target.host, port_of(target.scheme, target.port), anywhere=bounds.anywhere)
    except UnknownName as problem:
        raise DriverError(str(problem), retryable=True) from problem
    except NotPublic as problem:
        raise DriverError(f"Images are not fetched from there: {problem}", retryable=False) from problem


def _followed(before: httpx.URL, location: str) -> httpx.URL:
    """Where a redirect leads; raises DriverError where it would give up what protects the way."""
    after = before.join(location)
    if after.scheme not in SCHEMES or (before.scheme == "https" and after.scheme != "https"):
        raise DriverError(f"Redirects from {before.scheme} to {after.scheme} are not followed", retryable=False)
    return after.copy_with(userinfo=b"", fragment=None)


def _good(answer: httpx.Response) -> httpx.Response:
    """The answer itself, if an image can be read from it; raises DriverError."""
    if answer.status_code != httpx.codes.OK:
        told = f"The image's server answered {answer.status_code} {answer.reason_phrase}"
        raise DriverError(told, retryable=answer.status_code in BUSY)
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise DriverError("The image's server sends it encoded", retryable=False)
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise DriverError("There is a web page at the image's address, not an image", retryable=False)
    return answer


async def _read(answer: httpx.Response, bounds: Fetching, fetched: Fetched, into: BinaryIO | None) -> Fetch:
    """Read to the end; the library sees to it that all comes that was announced."""
    total = int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
    size, head, digest = 0, b"", hashlib.sha256()
    _small_enough(total or 0, bounds)
    async for chunk in answer.aiter_raw(CHUNK):
        size += len(chunk)
        _small_enough(size, bounds)
        head += chunk[: HEAD - len(head)]
        digest.update(chunk)
        _written(chunk, into)
        await fetched(size, total)
    if size == 0:
        raise DriverError("The image is empty", retryable=False)
    if (announced := _announced(answer.headers)) not in (None, digest.hexdigest()):
        raise DriverError(f"The image has not the checksum that its server tells: {announced}", retryable=True)
    return Fetch(size=size, checksum=digest.hexdigest(), head=head)


def _written(chunk: bytes, into: BinaryIO | None) -> None:
    if into is None:
        return
    try:
        into.write(chunk)
    except OSError as problem:
        raise DriverError(f"The image could not be kept: {problem.strerror}", retryable=False) from problem


def _small_enough(size: int, bounds: Fetching) -> None:
    if size > bounds.largest:
        raise DriverError(f"The image is larger than {bounds.largest} bytes", retryable=False)


def _announced(headers: httpx.Headers) -> str | None:
    """The SHA-256 that a server tells (RFC 9530, or RFC 3230 before it), as hex digits."""
    for name in DIGESTS:
        for each in headers.get(name, "").split(","):
            algorithm, _, value = each.strip().partition("=")
            if algorithm.lower() == "sha-256":
                return _hex(value.strip(":"))
    return None


def _hex(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).hex()
    except binascii.Error:
        return None
