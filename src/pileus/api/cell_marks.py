"""Marks of requests that a server of another cell has sent: only who has the keys of the cloud's secrets makes them."""

import time
from collections.abc import Callable
from typing import Any

from pileus.domain.errors import Unavailable
from pileus.store.secrets import SecretBox

FROM_OTHER_CELL = b"pileus-from-cell"
"""The header of a request that a server of another cell has sent, which is not sent on."""
VALID_SECONDS = 60
WRONG = (
    "The mark of a request from another cell is wrong: the servers of all cells need the same keys of secrets, and"
    " clocks that agree"
)


class CellMarks:
    """Makes and checks the marks. One holds for a method and a path, and for a minute."""

    def __init__(self, secrets: SecretBox, clock: Callable[[], float] = time.time) -> None:
        self._secrets = secrets
        self._clock = clock

    def make(self, method: str, path: bytes) -> tuple[bytes, bytes]:
        """Return the header that marks a request. Raises Unavailable if the keys cannot be read."""
        sent_at = str(int(self._clock()))
        return FROM_OTHER_CELL, f"{sent_at}.{self._secrets.sign(_text(sent_at, method, path))}".encode()

    def is_from_cell(self, scope: Any) -> bool:
        """Return whether a request has a mark. Raises Unavailable for a wrong one: the request must not be sent on."""
        mark = dict(scope["headers"]).get(FROM_OTHER_CELL)
        if mark is None:
            return False
        sent_at, _, signature = mark.decode("latin-1").partition(".")
        is_time = sent_at.isascii() and sent_at.isdigit() and len(sent_at) <= len(str(2**63))
        if not is_time or abs(self._clock() - int(sent_at)) > VALID_SECONDS:
            raise Unavailable(WRONG)
        if not self._secrets.is_signature(_text(sent_at, scope["method"], scope["raw_path"]), signature):
            raise Unavailable(WRONG)
        return True


def _text(sent_at: str, method: str, path: bytes) -> bytes:
    """Return what is signed. The application sees HEAD as GET."""
    return b"\n".join((FROM_OTHER_CELL, sent_at.encode(), b"GET" if method == "HEAD" else method.encode(), path))
