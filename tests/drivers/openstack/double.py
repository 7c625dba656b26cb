"""A double of OpenStack's HTTP API: it gives the recorded responses to the recorded requests.

Responses to equal requests come in their recorded order, and the last one again and again.
"""

import socket
import threading
from collections import defaultdict, deque
from http.server import ThreadingHTTPServer

from tests.drivers.openstack.exchanges import Exchange, ExchangeHandler, request_key

NOT_RECORDED = 501
LOST = 0


class Double(ThreadingHTTPServer):
    """A server with the exchanges of one test."""

    daemon_threads = True

    def __init__(self, exchanges: list[Exchange]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.exchanges: dict[str, deque[Exchange]] = defaultdict(deque)
        for exchange in exchanges:
            self.exchanges[exchange.key].append(exchange)
        self.unknown: list[str] = []
        self.received: list[str] = []
        self.faults: dict[str, int] = {}
        """What goes wrong once, by the beginning of a request's key: a status code, or LOST for a lost answer."""
        self.lock = threading.Lock()


class _Handler(ExchangeHandler):
    server: Double

    def exchange_for(self, body: bytes) -> Exchange:
        """Return the next recorded response."""
        key = request_key(self.command, self.path, body)
        with self.server.lock:
            self.server.received.append(key)
            prefix = next((prefix for prefix in self.server.faults if key.startswith(prefix)), None)
            fault = self.server.faults.pop(prefix) if prefix is not None else None
            if fault:
                return Exchange(key, fault, {}, "")
            responses = self.server.exchanges.get(key)
            if not responses:
                self.server.unknown.append(key)
                return Exchange(key, NOT_RECORDED, {}, "")
            if fault == LOST:
                # OpenStack has done the work: the connection ends before the answer.
                self.connection.shutdown(socket.SHUT_RDWR)
            return responses.popleft() if len(responses) > 1 else responses[0]
