"""A small web server on this machine that takes what is posted to it: one for all tests, an answer for each path."""

import time
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

REFUSING: dict[str, list[int]] = {}
"""By path, the answers that are to be given before all is well."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A request as it has come."""

    path: str
    headers: dict[str, str]
    body: bytes


POSTED: list[Posted] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answers = REFUSING.get(self.path, [])
        status = answers.pop(0) if answers else 204
        if self.path.startswith("/slow"):
            time.sleep(1)
        if status < 300:
            POSTED.append(Posted(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
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


def address(path: str) -> str:
    """Where a subscriber of a test's own is."""
    return f"http://127.0.0.1:{_server().server_address[1]}{path}"


def posted(path: str) -> list[Posted]:
    """What a subscriber has taken."""
    return [each for each in POSTED if each.path == path]


def refuse(path: str, *answers: int) -> None:
    """Let a subscriber answer so before it takes anything."""
    REFUSING[path] = list(answers)
