"""A double of OpenStack's HTTP API: it gives the recorded responses to the recorded requests.

Responses to equal requests come in their recorded order, and the last one again and again. With
`hides_past`, what was recorded before a change does not come after it.

Four kinds of requests need no recording: whether all services answer after a failure, whether a resource that was
created has a rival, whether Octavia has failed to change a part, and whether a cell of Nova does not answer. They do,
it has only those that a test names, Octavia has not, and all cells do.
"""

import json
from collections import defaultdict, deque
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from pileus.domain.load_balancers.parts import ProvisioningStatus
from pileus.drivers.openstack.cloud import SERVICE_CHECKS, Json
from pileus.drivers.openstack.named_resources import MOST_RIVALS
from tests.drivers.openstack.exchanges import TOKENS, Exchange, ExchangeHandler, ExchangeServer, request_key

NOT_RECORDED = 501
CHECKS = tuple(SERVICE_CHECKS.values())
"""What is asked after a failure: whether all services answer. In recordings they do."""

ALL_SERVERS = "/servers"
"""What is asked before a server counts as absent: whether there are servers of a cell that does not answer."""
FAILED_PARTS = f"provisioning_status={ProvisioningStatus.ERROR.value}"


class Double(ExchangeServer):
    """A server with the exchanges of one test."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        super().__init__(_Handler)
        self.exchanges: dict[str, deque[tuple[int, Exchange]]] = defaultdict(deque)
        """By the key of the request, with their positions in the recording."""
        for position, exchange in enumerate(exchanges):
            self.exchanges[exchange.key].append((position, exchange))
        self.unknown: list[str] = []
        self.created: dict[str, Json] = {}
        """What was created, by the name."""
        self.rivals: dict[str, list[Json]] = defaultdict(list)
        """What others have created at the same time, by the kind."""

    def take_response(self, key: str) -> Exchange:
        """Return the next recorded response."""
        responses = self.exchanges[key]
        position, exchange = responses.popleft() if len(responses) > 1 else responses[0]
        if self.hides_past and not key.startswith(("GET ", TOKENS)):
            for later in self.exchanges.values():
                self._drop_past(later, position)
        return exchange

    def note_created(self, exchange: Exchange) -> None:
        """Note what a response says of a new resource."""
        with suppress(ValueError):
            body = json.loads(exchange.body)
            item = next((value for value in body.values() if isinstance(value, dict)), body)
            if "name" in item and "id" in item:
                self.created[item["name"]] = item

    def find_rivals(self, target: str) -> str | None:
        """Return the list with a new resource and its rivals, if a request asks for that."""
        url = urlsplit(target)
        name = parse_qs(url.query).get("name", [""])[0]
        if not url.query.endswith(f"&limit={MOST_RIVALS}") or name not in self.created:
            return None
        kind = url.path.removesuffix("/detail").rpartition("/")[2].replace("-", "_")
        return json.dumps({kind: [*self.rivals[kind], self.created[name]]})

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
                return self._exchange_without_recording(key)
            exchange = self.server.take_response(key)
            if self.command == "POST":
                self.server.note_created(exchange)
            return exchange

    def _exchange_without_recording(self, key: str) -> Exchange:
        if self.command == "GET" and self.path.endswith(CHECKS):
            return Exchange(key, HTTPStatus.OK, {}, "")
        if self.command == "GET" and (body := self.server.find_rivals(self.path)) is not None:
            return Exchange(key, HTTPStatus.OK, {"Content-Type": "application/json"}, body)
        if self.command == "GET" and self.path.endswith(FAILED_PARTS):
            kind = urlsplit(self.path).path.rpartition("/")[2]
            return Exchange(key, HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps({kind: []}))
        if self.command == "GET" and self.path.endswith(ALL_SERVERS):
            return Exchange(key, HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps({"servers": []}))
        self.server.unknown.append(key)
        return Exchange(key, NOT_RECORDED, {}, "")
