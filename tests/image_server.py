"""An HTTP server that images are downloaded from. All tests share it; the path selects the answer."""

import base64
import hashlib
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

MIB = 1 << 20
RAW = bytes(range(256)) * (3 * MIB // 256)
QCOW2 = b"QFI\xfb\x00\x00\x00\x03" + bytes(16) + (5 << 30).to_bytes(8, "big") + bytes(8192)
WITH_BACKING_FILE = QCOW2[:8] + (512).to_bytes(8, "big") + QCOW2[16:]
CHECKSUM = hashlib.sha256(RAW).hexdigest()


def digest(content: bytes) -> str:
    """Return the value of a `Repr-Digest` header (RFC 9530)."""
    return f"sha-512=:x:, sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


class _Handler(BaseHTTPRequestHandler):
    """Answers with an image, a redirect or an error, as the path says."""

    def do_GET(self) -> None:
        name, _, rest = self.path.lstrip("/").partition("/")
        getattr(self, f"_{name}", self._missing)(rest)

    def _send(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for header, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def _raw(self, _: str) -> None:
        self._send(RAW, Repr_Digest=digest(RAW))

    def _qcow2(self, _: str) -> None:
        self._send(QCOW2)

    def _with_backing_file(self, _: str) -> None:
        self._send(WITH_BACKING_FILE)

    def _wrong(self, _: str) -> None:
        self._send(RAW, Repr_Digest=digest(QCOW2))

    def _short(self, _: str) -> None:
        self._send(RAW[:1000], Content_Length=str(len(RAW)))
        self.close_connection = True

    def _page(self, _: str) -> None:
        self._send(b"<html>", Content_Type="text/html; charset=utf-8")

    def _empty(self, _: str) -> None:
        self._send(b"")

    def _without_length(self, _: str) -> None:
        """Send a large body without its length."""
        self.send_response(200)
        self.end_headers()
        for _part in range(64):
            self.wfile.write(RAW)

    def _slow(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(RAW)))
        self.end_headers()
        self.wfile.write(RAW[:MIB])
        time.sleep(0.5)

    def _to(self, location: str) -> None:
        self._send(b"", 302, Location=location)

    def _round(self, _: str) -> None:
        self._send(b"", 302, Location="/round")

    def _busy(self, _: str) -> None:
        self._send(b"", 503)

    def _missing(self, _: str) -> None:
        self._send(b"", 404)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@cache
def _server() -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients hang up on purpose
    Thread(target=server.serve_forever, daemon=True, name="images").start()
    return server


def image_url(path: str = "raw", host: str = "127.0.0.1") -> str:
    """Return the URL of an image."""
    return f"http://{host}:{_server().server_port}/{path}"
