"""A proxy between Pileus and OpenStack: it loses answers, waits, and says when a request passes."""

import threading
import time
from collections.abc import Callable

from tests.drivers.openstack.exchanges import LOST, TOKENS, Exchange, request_key
from tests.drivers.openstack.recorder import Recorder, RecordingHandler

Action = Callable[[], None]


class Proxy(Recorder):
    """Forwards requests. What a test asks for happens once, at the next request whose key begins so."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.before: dict[str, Action] = {}
        """What is done before a request is forwarded."""
        self.after_change: Callable[[str], None] | None = None
        """What is done after each change, before it is answered."""
        self.loses_first_answers = False
        """Whether the first answer to each change is lost."""
        self.lost: set[str] = set()
        """The changes whose answer was lost."""

    def take_fault(self, key: str) -> int | None:
        """Do what was asked for, and return what goes wrong with the request."""
        with self.lock:
            self.received.append(key)
            prefix = next((prefix for prefix in self.before if key.startswith(prefix)), None)
            action = self.before.pop(prefix) if prefix is not None else None
        if action is not None:
            action()
        with self.lock:
            is_lost = self.loses_first_answers and is_change(key) and key not in self.lost
            if is_lost:
                self.lost.add(key)
        return LOST if is_lost else None

    def reset(self) -> None:
        """Only forward."""
        self.before.clear()
        self.after_change, self.loses_first_answers = None, False
        self.lost.clear()
        self.exchanges.clear()
        self.received.clear()


class _Handler(RecordingHandler):
    server: Proxy

    def exchange_for(self, body: bytes) -> Exchange:
        """Forward a request, and do what is asked for before its answer."""
        try:
            exchange = super().exchange_for(body)
        except OSError:
            # The service is stopped: the connection ends, as one that is refused.
            return Exchange("", 503, {}, "")
        key = request_key(self.command, self.path, body)
        if self.server.after_change is not None and is_change(key):
            self.server.after_change(key)
        return exchange


def is_change(key: str) -> bool:
    """Return whether a request changes something in OpenStack."""
    return not key.startswith(("GET ", TOKENS))


def pause(seconds: float) -> Action:
    """Return what keeps a request waiting."""
    return lambda: time.sleep(seconds)


def run_proxy() -> Proxy:
    """Start a proxy in a thread."""
    proxy = Proxy()
    threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
    return proxy
