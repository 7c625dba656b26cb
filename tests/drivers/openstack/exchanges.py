"""Requests to OpenStack and their responses, as they are recorded and found again.

A recording is a gzipped JSON file for each test, with the exchanges in their order. Addresses of services are stored
without host, and tokens never expire.
"""

import gzip
import hashlib
import json
import re
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from msgspec import Struct

DIRECTORY = Path(__file__).parent / "recorded"
KEPT_HEADERS = ("Content-Type", "X-Subject-Token", "Location", "OpenStack-API-Version")
SERVICE_ADDRESS = re.compile(r"http://127\.0\.0\.1:(21\d{3})")
BASE = "http://double"
EXPIRY = re.compile(r'"expires_at": "\d{4}')


CLOUD = """
  {name}:
    auth:
      auth_url: http://127.0.0.1:{port}/21410/v3
      username: admin
      password: admin-password
      project_name: admin
      user_domain_id: default
      project_domain_id: default
    region_name: RegionOne
    identity_api_version: "3"
"""


class Exchange(Struct, frozen=True):
    """A request's key, and the response to it."""

    key: str
    status_code: int
    headers: dict[str, str]
    body: str


NO_VERSIONS = Exchange("", 404, {}, "")
LOST = 0
SERVICE_UNAVAILABLE = 503
PATIENCE = 60
TOKENS = "POST /21410/"


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


class ExchangeServer(ThreadingHTTPServer):
    """Stands between the driver and OpenStack or its recording, and lets requests fail."""

    daemon_threads = True

    def __init__(self, handler: "type[ExchangeHandler]") -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.lock = threading.Condition()
        self.received: list[str] = []
        self.faults: dict[str, int] = {}
        """What goes wrong once, by the beginning of a request's key: a status code, or LOST for a lost answer."""
        self.stopped: set[str] = set()
        """What begins the paths of services that are stopped: their requests get 503."""
        self.refused: list[str] = []
        """The requests that stopped services have got."""
        self.hides_past = False
        """Whether a change ends what was recorded before it, for a driver that asks less often than when recorded."""
        self.changes_until_loss = 0
        """The answer to the change with this number from now on is lost; none is if it is 0."""

    def wait_for_refusals(self, count: int) -> None:
        """Wait until stopped services have got so many requests. Raises AssertionError after a while."""
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.refused) >= count, PATIENCE)

    def take_fault(self, key: str) -> int | None:
        """Note a request, and return what goes wrong with it."""
        with self.lock:
            self.received.append(key)
            if any(f" {service}" in key for service in self.stopped):
                self.refused.append(key)
                self.lock.notify_all()
                return SERVICE_UNAVAILABLE
            prefix = next((prefix for prefix in self.faults if key.startswith(prefix)), None)
            if prefix is not None:
                return self.faults.pop(prefix)
            if self.changes_until_loss and not key.startswith(("GET ", TOKENS)):
                self.changes_until_loss -= 1
                return None if self.changes_until_loss else LOST
        return None


class ExchangeHandler(BaseHTTPRequestHandler):
    """Answers all methods by `exchange_for`."""

    server: ExchangeServer

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
        exchange = NO_VERSIONS if self.path == "/" else self._exchange_or_fault(body)
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

    def _exchange_or_fault(self, body: bytes) -> Exchange:
        key = request_key(self.command, self.path, body)
        fault = self.server.take_fault(key)
        if fault:
            return Exchange(key, fault, {}, "")
        exchange = self.exchange_for(body)
        if fault == LOST:
            # OpenStack has done the work: the connection ends before the answer.
            self.connection.shutdown(socket.SHUT_RDWR)
        return exchange

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


def write_clouds(file: Path, **servers: ExchangeServer) -> None:
    """Write a clouds.yaml with these clouds."""
    entries = [CLOUD.format(name=name, port=server.server_address[1]) for name, server in servers.items()]
    file.write_text(f"clouds:{''.join(entries)}")
