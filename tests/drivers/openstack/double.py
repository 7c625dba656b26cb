"""A double of OpenStack's HTTP API: it gives the recorded responses to the recorded requests.

Responses to equal requests come in their recorded order, and the last one again and again. With
`hides_past`, what was recorded before a change does not come after it.
"""

from collections import defaultdict, deque

from tests.drivers.openstack.exchanges import TOKENS, Exchange, ExchangeHandler, ExchangeServer, request_key

NOT_RECORDED = 501


class Double(ExchangeServer):
    """A server with the exchanges of one test."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        super().__init__(_Handler)
        self.exchanges: dict[str, deque[tuple[int, Exchange]]] = defaultdict(deque)
        """By the key of the request, with their positions in the recording."""
        for position, exchange in enumerate(exchanges):
            self.exchanges[exchange.key].append((position, exchange))
        self.unknown: list[str] = []

    def take_response(self, key: str) -> Exchange:
        """Return the next recorded response."""
        responses = self.exchanges[key]
        position, exchange = responses.popleft() if len(responses) > 1 else responses[0]
        if self.hides_past and not key.startswith(("GET ", TOKENS)):
            for later in self.exchanges.values():
                self._drop_past(later, position)
        return exchange

    @staticmethod
    def _drop_past(responses: deque[tuple[int, Exchange]], position: int) -> None:
        while len(responses) > 1 and responses[0][0] < position and responses[0][1].key.startswith("GET "):
            responses.popleft()


class _Handler(ExchangeHandler):
    server: Double

    def exchange_for(self, body: bytes) -> Exchange:
        """Return the next recorded response."""
        key = request_key(self.command, self.path, body)
        with self.server.lock:
            if key not in self.server.exchanges:
                self.server.unknown.append(key)
                return Exchange(key, NOT_RECORDED, {}, "")
            return self.server.take_response(key)
