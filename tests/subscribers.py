"""A small web server on this machine that takes what is posted to it: one for all tests, an answer for each path."""

import time
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

ANSWERS: dict[str, list[int]] = {}
"""By path, the answers that are to be given before all is well."""


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it has come."""

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
    """Where a subscriber of a test's own is."""
    return f"http://127.0.0.1:{_server().server_address[1]}{path}"


def received_requests(path: str) -> list[ReceivedRequest]:
    """What a subscriber has taken."""
    return [each for each in RECEIVED if each.path == path]


def set_answers(path: str, *answers: int) -> None:
    """Let a subscriber answer so before it takes anything."""
    ANSWERS[path] = list(answers)
