"""A proxy in front of a real OpenStack that records all exchanges of a test."""

import http.client

from tests.drivers.openstack.exchanges import (
    KEPT_HEADERS,
    Exchange,
    ExchangeHandler,
    ExchangeServer,
    request_key,
    without_host,
)

IDLE_SECONDS = 600
SKIPPED_HEADERS = frozenset({"host", "content-length", "connection", "accept-encoding"})


class Recorder(ExchangeServer):
    """Forwards `/PORT/path` to `/path` of the service at that port."""

    def __init__(self, handler: "type[RecordingHandler] | None" = None) -> None:
        super().__init__(handler or RecordingHandler)
        self.exchanges: list[Exchange] = []


class RecordingHandler(ExchangeHandler):
    """Forwards a request to the service that its path names."""

    server: Recorder

    def exchange_for(self, body: bytes) -> Exchange:
        """Forward the request, and record its response."""
        port, _, path = self.path.removeprefix("/").partition("/")
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=IDLE_SECONDS)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in SKIPPED_HEADERS}
        key = request_key(self.command, self.path, body)
        connection.request(self.command, f"/{path}", body or None, headers)
        response = connection.getresponse()
        text = without_host(response.read().decode())
        kept = {name: without_host(value) for name in KEPT_HEADERS if (value := response.getheader(name))}
        connection.close()
        exchange = Exchange(key, response.status, kept, text)
        with self.server.lock:
            self.server.exchanges.append(exchange)
        return exchange
