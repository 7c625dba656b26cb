"""Faults of HTTP, which operators inject into the operations of a simulated cloud, to test clients."""

import hashlib
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

MAX_DELAY_SECONDS = 300.0
"""The longest delay of a request, by all faults together."""
SEED_BITS = 53
"""Seeds of this size survive in every JSON parser."""


class HttpFaultKind(StrEnum):
    """What happens to a request.

    RESPOND answers it with an error, and DISCONNECT closes its connection, before the operation. DELAY lets it wait
    before the operation. After the operation, LOSE_ANSWER closes the connection without an answer, and TRUNCATE in the
    middle of the answer.
    """

    RESPOND = "respond"
    DELAY = "delay"
    DISCONNECT = "disconnect"
    TRUNCATE = "truncate"
    LOSE_ANSWER = "lose_answer"


class HttpFault(Struct, frozen=True, kw_only=True):
    """A fault for the requests that it selects; fields that select nothing are None.

    Of these requests, `matches` so far, it leaves the first `skip` alone, and hits each later one with a `probability`,
    until it has hit `times` of them (None: always). `seed` decides which ones.
    """

    id: str
    kind: str
    operation: str | None = None
    method: str | None = None
    path: str | None = None
    client_id: int | None = None
    project_id: int | None = None
    status: int | None = None
    message: str | None = None
    retry_after: int | None = None
    seconds: float | None = None
    max_seconds: float | None = None
    probability: float = 1.0
    seed: int = 0
    times: int | None = None
    skip: int = 0
    matches: int = 0
    hits: int = 0
    created_at: int

    @property
    def ends_request(self) -> bool:
        """Whether a request that is hit meets no further fault."""
        return self.kind != HttpFaultKind.DELAY

    @property
    def is_used_up(self) -> bool:
        """Whether the fault hits no further request."""
        return self.times is not None and self.hits >= self.times

    def counted(self) -> "HttpFault":
        """Return the fault after one more request that it selects; `hits` is higher if that request is hit."""
        number = self.matches + 1
        is_hit = number > self.skip and self._draw(number, "hit") < self.probability
        return replace(self, matches=number, hits=self.hits + is_hit)

    def delay(self) -> float:
        """Return the seconds that the last request waits: a random time if there is a range."""
        shortest = self.seconds or 0.0
        longest = shortest if self.max_seconds is None else self.max_seconds
        return shortest + (longest - shortest) * self._draw(self.matches, "delay")

    def _draw(self, number: int, purpose: str) -> float:
        """Return a number from 0 to below 1, the same one each time."""
        digest = hashlib.blake2b(f"{self.seed} {number} {purpose}".encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) / 2**53
