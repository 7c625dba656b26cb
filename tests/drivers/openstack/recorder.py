"""A proxy in front of a real OpenStack that records all exchanges of a test."""

import http.client
import threading
from http.server import ThreadingHTTPServer

from tests.drivers.openstack.exchanges import KEPT_HEADERS, Exchange, ExchangeHandler, request_key, without_host

IDLE_SECONDS = 600
SKIPPED_HEADERS = frozenset({"host", "content-length", "connection", "accept-encoding"})


class Recorder(ThreadingHTTPServer):
    """Forwards `/PORT/path` to `/path` of the service at that port."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.exchanges: list[Exchange] = []
        self.lock = threading.Lock()


class _Handler(ExchangeHandler):
    server: Recorder

    def exchange_for(self, body: bytes) -> Exchange:
        """Forward the request, and record its response."""
        port, _, path = self.path.removeprefix("/").partition("/")
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=IDLE_SECONDS)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in SKIPPED_HEADERS}
        connection.request(self.command, f"/{path}", body or None, headers)
        response = connection.getresponse()
        text = without_host(response.read().decode())
        kept = {name: without_host(value) for name in KEPT_HEADERS if (value := response.getheader(name))}
        connection.close()
        exchange = Exchange(request_key(self.command, self.path, body), response.status, kept, text)
        with self.server.lock:
            self.server.exchanges.append(exchange)
        return exchange
