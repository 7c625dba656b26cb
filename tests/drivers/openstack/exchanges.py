"""Requests to OpenStack and their responses, as they are recorded and found again.

A recording is a gzipped JSON file for each test, with the exchanges in their order. Addresses of services are stored
without host, and tokens never expire.
"""

import gzip
import hashlib
import json
import re
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from msgspec import Struct

DIRECTORY = Path(__file__).parent / "recorded"
KEPT_HEADERS = ("Content-Type", "X-Subject-Token", "Location", "OpenStack-API-Version")
SERVICE_ADDRESS = re.compile(r"http://127\.0\.0\.1:(21\d{3})")
BASE = "http://double"
EXPIRY = re.compile(r'"expires_at": "\d{4}')


class Exchange(Struct, frozen=True):
    """A request's key, and the response to it."""

    key: str
    status_code: int
    headers: dict[str, str]
    body: str


NO_VERSIONS = Exchange("", 404, {}, "")


def request_key(method: str, target: str, body: bytes) -> str:
    """Return what identifies a request. User data contain a hash with a random salt."""
    return f"{method} {target} {_normalize_body(body)}"


def load_exchanges(name: str) -> list[Exchange]:
    """Read the recording of a test; one that sends no request has none."""
    file = DIRECTORY / f"{name}.json.gz"
    items: list[Any] = json.loads(gzip.decompress(file.read_bytes())) if file.exists() else []
    return [Exchange(*item) for item in items]


def save_exchanges(name: str, exchanges: list[Exchange]) -> None:
    """Write the recording of a test. The same exchanges make the same file."""
    items = [[exchange.key, exchange.status_code, exchange.headers, exchange.body] for exchange in exchanges]
    if not items:
        return
    DIRECTORY.mkdir(exist_ok=True)
    (DIRECTORY / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(items, indent=0).encode(), mtime=0))


def without_host(text: str) -> str:
    """Replace the addresses of services by paths of one address, and make tokens last."""
    return EXPIRY.sub('"expires_at": "2099', SERVICE_ADDRESS.sub(rf"{BASE}/\1", text))


def with_host(text: str, address: str) -> str:
    """Replace the stored address by a server's."""
    return text.replace(BASE, address)


class ExchangeHandler(BaseHTTPRequestHandler):
    """Answers all methods by `exchange_for`."""

    protocol_version = "HTTP/1.1"
    # Headers and content are sent together: the client would wait 40 ms between them.
    wbufsize = 1 << 16

    def exchange_for(self, body: bytes) -> Exchange:
        """Return the response to the current request."""
        raise AssertionError(body)

    def do_GET(self) -> None:
        """Answer a request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # The client library looks for a list of versions above the services, where there is none.
        exchange = NO_VERSIONS if self.path == "/" else self.exchange_for(body)
        address = f"http://{self.headers['Host']}"
        content = with_host(exchange.body, address).encode()
        self.send_response(exchange.status_code)
        for name, value in exchange.headers.items():
            self.send_header(name, with_host(value, address))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(BrokenPipeError):
            self.wfile.write(content)
            self.wfile.flush()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815  # names that http.server calls

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _normalize_body(body: bytes) -> str:
    try:
        content = json.loads(body) if body else None
    except ValueError:
        return hashlib.sha256(body).hexdigest()
    if isinstance(content, dict) and isinstance(content.get("server"), dict):
        content["server"].pop("user_data", None)
    return json.dumps(content, sort_keys=True)
