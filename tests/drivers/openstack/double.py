"""A double of OpenStack's HTTP API: it gives the recorded responses to the recorded requests.

Responses to equal requests come in their recorded order, and the last one again and again.
"""

from collections import defaultdict, deque

from tests.drivers.openstack.exchanges import Exchange, ExchangeHandler, ExchangeServer, request_key

NOT_RECORDED = 501


class Double(ExchangeServer):
    """A server with the exchanges of one test."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        super().__init__(_Handler)
        self.exchanges: dict[str, deque[Exchange]] = defaultdict(deque)
        for exchange in exchanges:
            self.exchanges[exchange.key].append(exchange)
        self.unknown: list[str] = []


class _Handler(ExchangeHandler):
    server: Double

    def exchange_for(self, body: bytes) -> Exchange:
        """Return the next recorded response."""
        key = request_key(self.command, self.path, body)
        with self.server.lock:
            responses = self.server.exchanges.get(key)
            if not responses:
                self.server.unknown.append(key)
                return Exchange(key, NOT_RECORDED, {}, "")
            return responses.popleft() if len(responses) > 1 else responses[0]
