"""An HTTP server that records the requests it gets. All tests share it; the path selects the answer."""

import time
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

ANSWERS: dict[str, list[int]] = {}
"""The statuses of the next answers by path; further requests are accepted."""


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A received request."""

    path: str
    headers: dict[str, str]
    body: bytes


RECEIVED: list[ReceivedRequest] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answers = ANSWERS.get(self.path, [])
        status = answers.pop(0) if answers else 204
        if self.path.startswith("/slow"):
            time.sleep(1)
        if status < 300:
            RECEIVED.append(
                ReceivedRequest(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@cache
def _server() -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def subscriber_url(path: str) -> str:
    """Return the URL of a subscriber with this path."""
    return f"http://127.0.0.1:{_server().server_address[1]}{path}"


def received_requests(path: str) -> list[ReceivedRequest]:
    """Return the requests that a subscriber has accepted."""
    return [request for request in RECEIVED if request.path == path]


def set_answers(path: str, *answers: int) -> None:
    """Set the statuses of the next answers of a subscriber."""
    ANSWERS[path] = list(answers)
