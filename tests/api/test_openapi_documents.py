"""The OpenAPI document and its page: compression, ETags, and a first request that does not stall the server."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from pileus.api.openapi_documents import accepts_gzip, has_etag
from tests.servers import run_server
from tests.tenants import Tenant

PATHS = ("/schema", "/schema/", "/schema/openapi.json")
PLAIN = {"Accept-Encoding": "identity"}
GZIP = {"Accept-Encoding": "gzip, deflate"}


@pytest.mark.parametrize("path", PATHS)
async def test_a_document_is_compressed_if_the_client_accepts_it(tenant: Tenant, path: str) -> None:
    plain = await tenant.api.get(path, headers=PLAIN)
    async with tenant.api.stream("GET", path, headers=GZIP) as compressed:
        content = b"".join([chunk async for chunk in compressed.aiter_bytes()])
        raw_length = compressed.num_bytes_downloaded

    assert (plain.status_code, "content-encoding" in plain.headers) == (200, False)
    assert compressed.headers["content-encoding"] == "gzip"
    assert content == plain.content
    assert 5 * raw_length < len(plain.content)
    assert plain.headers["vary"] == compressed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != compressed.headers["etag"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("accepted", [PLAIN, GZIP])
async def test_a_client_with_the_current_version_gets_304(tenant: Tenant, path: str, accepted: dict[str, str]) -> None:
    etag = (await tenant.api.get(path, headers=accepted)).headers["etag"]

    same = await tenant.api.get(path, headers={**accepted, "If-None-Match": etag})
    older = await tenant.api.get(path, headers={**accepted, "If-None-Match": '"an-older-one"'})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert older.status_code == 200


async def test_the_types_of_the_documents_are_as_before(tenant: Tenant) -> None:
    page, document = await tenant.api.get("/schema"), await tenant.api.get("/schema/openapi.json")

    assert page.headers["content-type"].startswith("text/html")
    assert document.headers["content-type"].startswith("application/vnd.oai.openapi+json")
    assert json.loads(document.content)["info"]["title"] == "Pileus"
    assert page.text.startswith("<!doctype html>")


def test_other_requests_are_answered_while_the_document_is_rendered(tmp_path: Path) -> None:
    with run_server(tmp_path / "data") as server, ThreadPoolExecutor(1) as pool, httpx.Client() as client:
        rendering = pool.submit(httpx.get, f"{server.url}/schema", timeout=60)
        answered = 0
        while not rendering.done():
            answered += client.get(f"{server.url}/healthz", timeout=60).is_success

    assert rendering.result().status_code == 200
    assert answered > 10


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*", True),
        ("deflate, *;q=0", False),
    ],
)
def test_the_accepted_encodings_decide(accept_encoding: str, accepted: bool) -> None:  # noqa: FBT001  # a parameter
    assert accepts_gzip(accept_encoding) is accepted


@pytest.mark.parametrize(
    ("if_none_match", "known"),
    [("", False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("a", False)],
)
def test_any_known_version_counts(if_none_match: str, known: bool) -> None:  # noqa: FBT001  # a parameter
    assert has_etag(if_none_match, '"a"') is known
