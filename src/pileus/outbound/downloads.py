"""Downloads images that tenants name by an address, within limits of size, time and allowed addresses.

Each redirect is checked by the SSRF guard too. Proxy settings of the environment are ignored.
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

from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import OnProgress
from pileus.outbound.image_formats import HEAD
from pileus.outbound.ssrf_guard import (
    Address,
    AddressNotPublic,
    UnknownHostName,
    port_or_scheme_default,
    request_arguments_for_address,
    resolve_allowed_addresses,
)

SCHEMES = ("http", "https")
MAX_REDIRECTS = 5
IDLE_TIMEOUT = 30.0
"""Seconds without a byte after which a download is aborted."""
CHUNK = 1 << 20
RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes after which another try may succeed."""
DIGEST_HEADERS = ("Repr-Digest", "Content-Digest", "Digest")


class DownloadedImage(Struct, frozen=True, kw_only=True):
    """The size of a download, its SHA-256 as hex digits, and its first bytes."""

    size: int
    checksum: str
    head: bytes


async def fetch_image(
    url: str, limits: DownloadLimits, on_progress: OnProgress, file: BinaryIO | None = None
) -> DownloadedImage:
    """Download an image, into a file if one is given. Raises DriverError."""
    if limits.enabled is False:
        raise DriverError("This server does not download images", retryable=False)
    try:
        async with asyncio.timeout(limits.seconds), _open(url, limits) as response:
            return await _read(response, limits, on_progress, file)
    except TimeoutError:
        raise DriverError(
            f"The download of the image took more than {limits.seconds:g} seconds", retryable=False
        ) from None
    except httpx.InvalidURL as problem:
        raise DriverError(f"The image's address is wrong: {problem}", retryable=False) from problem
    except httpx.HTTPError as problem:
        reason = str(problem) or type(problem).__name__
        raise DriverError(f"The image could not be fetched: {reason}", retryable=True) from problem


@asynccontextmanager
async def _open(url: str, limits: DownloadLimits) -> AsyncIterator[httpx.Response]:
    timeout = httpx.Timeout(IDLE_TIMEOUT)
    async with httpx.AsyncClient(trust_env=False, timeout=timeout, follow_redirects=False) as client:
        response = await _follow_redirects(client, httpx.URL(url), limits)
        try:
            _check_response(response)
            yield response
        finally:
            await response.aclose()


async def _follow_redirects(client: httpx.AsyncClient, target: httpx.URL, limits: DownloadLimits) -> httpx.Response:
    """Return the first response that is no redirect."""
    for _ in range(MAX_REDIRECTS + 1):
        response = await _request(client, target, limits)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        target = _redirect_target(target, response.headers["Location"])
    raise DriverError(f"The image's address redirects more than {MAX_REDIRECTS} times", retryable=False)


async def _request(client: httpx.AsyncClient, target: httpx.URL, limits: DownloadLimits) -> httpx.Response:
    """Send the request to the first address of the host that can be reached."""
    last_problem: httpx.ConnectError | None = None
    for address in await _addresses(target, limits):
        request = client.build_request(
            "GET", **request_arguments_for_address(target, address, {"Accept-Encoding": "identity"})
        )
        try:
            return await client.send(request, stream=True)
        except httpx.ConnectError as problem:
            last_problem = problem
    raise last_problem or DriverError(f"{target.raw_host.decode()} has no address", retryable=True)


async def _addresses(target: httpx.URL, limits: DownloadLimits) -> list[Address]:
    """Resolve the host of a URL. Raises DriverError if one of its addresses is not allowed."""
    if target.scheme not in SCHEMES or not target.host:
        raise DriverError("Images are fetched by http and https only", retryable=False)
    try:
        port = port_or_scheme_default(target.scheme, target.port)
        return await resolve_allowed_addresses(target.host, port, allow_private=limits.allow_private)
    except UnknownHostName as problem:
        raise DriverError(str(problem), retryable=True) from problem
    except AddressNotPublic as problem:
        raise DriverError(f"Images are not fetched from there: {problem}", retryable=False) from problem


def _redirect_target(source: httpx.URL, location: str) -> httpx.URL:
    """Return the target of a redirect. Raises DriverError for one from https to http."""
    target = source.join(location)
    if target.scheme not in SCHEMES or (source.scheme == "https" and target.scheme != "https"):
        raise DriverError(f"Redirects from {source.scheme} to {target.scheme} are not followed", retryable=False)
    return target.copy_with(userinfo=b"", fragment=None)


def _check_response(response: httpx.Response) -> None:
    """Check that a response contains an image. Raises DriverError."""
    if response.status_code != httpx.codes.OK:
        message = f"The image's server answered {response.status_code} {response.reason_phrase}"
        raise DriverError(message, retryable=response.status_code in RETRYABLE)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise DriverError("The image's server sends it encoded", retryable=False)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise DriverError("There is a web page at the image's address, not an image", retryable=False)


async def _read(
    response: httpx.Response, limits: DownloadLimits, on_progress: OnProgress, file: BinaryIO | None
) -> DownloadedImage:
    """Read a response to its end; httpx checks that it is complete."""
    total = int(response.headers["Content-Length"]) if "Content-Length" in response.headers else None
    size, head, digest = 0, b"", hashlib.sha256()
    _check_size(total or 0, limits)
    async for chunk in response.aiter_raw(CHUNK):
        size += len(chunk)
        _check_size(size, limits)
        head += chunk[: HEAD - len(head)]
        digest.update(chunk)
        _write(chunk, file)
        await on_progress(size, total)
    if size == 0:
        raise DriverError("The image is empty", retryable=False)
    if (announced := _announced_checksum(response.headers)) not in (None, digest.hexdigest()):
        raise DriverError(f"The image does not have the checksum that its server sent: {announced}", retryable=True)
    return DownloadedImage(size=size, checksum=digest.hexdigest(), head=head)


def _write(chunk: bytes, file: BinaryIO | None) -> None:
    if file is None:
        return
    try:
        file.write(chunk)
    except OSError as problem:
        raise DriverError(f"The image could not be stored: {problem.strerror}", retryable=False) from problem


def _check_size(size: int, limits: DownloadLimits) -> None:
    if size > limits.max_bytes:
        raise DriverError(f"The image is larger than {limits.max_bytes} bytes", retryable=False)


def _announced_checksum(headers: httpx.Headers) -> str | None:
    """Return the SHA-256 in a digest header (RFC 9530, or RFC 3230 before it) as hex digits."""
    for name in DIGEST_HEADERS:
        for digest in headers.get(name, "").split(","):
            algorithm, _, value = digest.strip().partition("=")
            if algorithm.lower() == "sha-256":
                return _hex(value.strip(":"))
    return None


def _hex(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).hex()
    except binascii.Error:
        return None
