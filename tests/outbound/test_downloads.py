"""Downloads of images: complete, checked, and only from allowed addresses."""

import hashlib
import socket
from typing import Any

import httpx
import pytest

from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.protocols.errors import DriverError
from pileus.outbound.downloads import DownloadedImage, fetch_image
from pileus.outbound.image_formats import COMPRESSED, DetectedFormat, detect_format, require_allowed_format
from tests.image_server import CHECKSUM, MIB, QCOW2, RAW, image_url

PRIVATE_TOO = DownloadLimits(allow_private=True, max_bytes=8 * MIB, seconds=10)
HTTPS = "https://images.example.org/x"


async def download(
    url: str, limits: DownloadLimits = PRIVATE_TOO
) -> tuple[DownloadedImage, list[tuple[int, int | None]]]:
    progress: list[tuple[int, int | None]] = []

    async def on_progress(size: int, total: int | None) -> None:
        progress.append((size, total))

    return await fetch_image(url, limits, on_progress), progress


async def download_error(url: str, limits: DownloadLimits = PRIVATE_TOO) -> DriverError:
    with pytest.raises(DriverError) as problem:
        await download(url, limits)
    return problem.value


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Resolve every host name to these addresses."""

    def answer(_host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize("path", ["raw", "to//raw", "to//to//raw"])
async def test_an_image_is_fetched_whole_measured_and_checked(path: str) -> None:
    image, progress = await download(image_url(path))

    assert (image.size, image.checksum, image.head) == (len(RAW), CHECKSUM, RAW[: len(image.head)])
    assert progress == [(MIB, len(RAW)), (2 * MIB, len(RAW)), (3 * MIB, len(RAW))]


@pytest.mark.parametrize(
    ("path", "message", "retryable"),
    [
        ("missing", "answered 404", False),
        ("busy", "answered 503", True),
        ("empty", "is empty", False),
        ("page", "web page", False),
        ("wrong", "does not have the checksum", True),
        ("short", "could not be fetched", True),
        ("without_length", "is larger than 8388608 bytes", False),
        ("round", "redirects more than 5 times", False),
        ("to/file:///etc/passwd", "from http to file are not followed", False),
        ("to/ftp://127.0.0.1/x", "from http to ftp are not followed", False),
        ("to/http://169.254.169.254/latest", "not a public address", False),
    ],
)
async def test_errors_name_the_cause(path: str, message: str, *, retryable: bool) -> None:
    problem = await download_error(image_url(path))

    assert message in str(problem)
    assert problem.retryable is retryable


async def test_an_announced_size_is_enough_to_refuse_it() -> None:
    problem = await download_error(image_url(), DownloadLimits(allow_private=True, max_bytes=MIB))

    assert str(problem) == "The image is larger than 1048576 bytes"


async def test_nothing_is_fetched_if_the_operator_forbids_it() -> None:
    problem = await download_error(image_url(), DownloadLimits(allow_private=True, enabled=False))

    assert (str(problem), problem.retryable) == ("This server does not download images", False)


async def test_a_slow_download_is_aborted() -> None:
    problem = await download_error(image_url("slow"), DownloadLimits(allow_private=True, seconds=0.2))

    assert (str(problem), problem.retryable) == ("The download of the image took more than 0.2 seconds", False)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "100.64.0.1", "240.0.0.1",
     "[fe80::1]", "[fd00::1]", "[64:ff9b::a00:1]", "[2002:7f00:1::]", "[::]", "2130706433", "224.0.0.1"],
)  # fmt: skip
async def test_only_public_addresses_are_asked_unless_the_operator_says_otherwise(host: str) -> None:
    problem = await download_error(image_url(host=host), DownloadLimits())

    assert "not a public address" in str(problem)
    assert not problem.retryable


async def test_the_target_of_a_redirect_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first address is public; the redirect's target is not."""
    requested: list[str] = []

    async def send(_: Any, request: httpx.Request, **__: Any) -> httpx.Response:
        requested.append(str(request.url))
        return httpx.Response(302, headers={"Location": "https://10.0.0.1/secret"}, request=request)

    monkeypatch.setattr(httpx.AsyncClient, "send", send)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *_, **__: [(2, 1, 6, "", (_resolve(host), port))])
    problem = await download_error(HTTPS, DownloadLimits())

    assert "10.0.0.1 is not a public address" in str(problem)
    assert requested == ["https://8.8.8.8/x"]


def _resolve(host: Any) -> str:
    return "8.8.8.8" if host == "images.example.org" else str(host)


async def test_a_name_with_one_inner_address_among_its_own_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "8.8.8.8", "192.168.0.1")

    assert "not a public address" in str(await download_error(HTTPS, DownloadLimits()))


async def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host name is in the header and the TLS handshake only, so it cannot resolve to another address meanwhile."""
    requests: list[httpx.Request] = []

    async def send(_: Any, request: httpx.Request, **__: Any) -> httpx.Response:
        requests.append(request)
        return httpx.Response(302, headers={"Location": "http://images.example.org/"}, request=request)

    resolve_to(monkeypatch, "8.8.8.8")
    monkeypatch.setattr(httpx.AsyncClient, "send", send)
    problem = await download_error(HTTPS, DownloadLimits())

    (request,) = requests
    assert (str(request.url), request.headers["Host"]) == ("https://8.8.8.8/x", "images.example.org")
    assert request.extensions["sni_hostname"] == "images.example.org"
    assert "Redirects from https to http are not followed" in str(problem)


async def test_the_next_address_of_a_name_is_tried_when_the_first_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = image_url(host="images.example.org")
    resolve_to(monkeypatch, "::1", "127.0.0.1")

    image, _ = await download(url)

    assert image.checksum == CHECKSUM


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (QCOW2, DetectedFormat("qcow2", 5 << 30)),
        (bytes(0x8001) + b"CD001", DetectedFormat("iso", 7)),
        (b"anything", DetectedFormat("raw", 7)),
    ],
)
def test_the_format_is_detected_by_the_first_bytes(head: bytes, expected: DetectedFormat) -> None:
    assert detect_format(head, 7) == expected


@pytest.mark.parametrize("head", [QCOW2[:8] + b"\x01" * 8 + QCOW2[16:], QCOW2[:72] + (4).to_bytes(8, "big")])
def test_an_image_that_refers_to_other_files_is_refused(head: bytes) -> None:
    with pytest.raises(DriverError, match="not complete"):
        detect_format(head, 7)


async def test_a_checksum_that_cannot_be_read_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.image_server.digest", lambda _: "sha-256=:not base64:")

    assert (await download(image_url()))[0].checksum == hashlib.sha256(RAW).hexdigest()


@pytest.mark.parametrize("magic", COMPRESSED, ids=COMPRESSED.get)
def test_compressed_files_are_no_images(magic: bytes) -> None:
    with pytest.raises(DriverError, match="must not be compressed"):
        require_allowed_format(magic + bytes(64), 100, 100)


def test_the_disk_of_an_image_has_a_limit() -> None:
    assert require_allowed_format(QCOW2, len(QCOW2), 5 << 30) == DetectedFormat("qcow2", 5 << 30)
    with pytest.raises(DriverError, match="describes a disk of 5368709120 bytes: at most 5368709119 are allowed"):
        require_allowed_format(QCOW2, len(QCOW2), (5 << 30) - 1)
