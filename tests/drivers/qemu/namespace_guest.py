"""`python namespace_guest.py PORT DEVICE NAME SOCKETS`: a guest of the fabric that is a network namespace alone.

Frames pass between a TAP device and the sockets of a port. A server answers HTTP with the name and what it was sent.
The module imports the standard library alone.
"""

import json
import os
import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pileus.drivers.qemu.namespaces import runner

FRAME_LIMIT = 65550


class Handler(BaseHTTPRequestHandler):
    """Answers every request with its headers and the name of the guest."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:  # the name that the base class calls
        """Answer a request."""
        code = 503 if self.path == "/health" and Path("sick").exists() else 200
        content = json.dumps({"name": sys.argv[3], "path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        if self.path == "/login":
            self.send_header("Set-Cookie", "session=abc; Path=/")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def pass_frames(tap: int, wire: socket.socket, host: str) -> None:
    """Pass frames in both directions, for ever."""

    def send() -> None:
        while True:
            wire.sendto(os.read(tap, FRAME_LIMIT), host)

    threading.Thread(target=send, daemon=True).start()
    while True:
        os.write(tap, wire.recv(FRAME_LIMIT))


def serve_tls() -> None:
    """Serve on port 443 with the certificate that lies beside the folder of the guest."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"../{sys.argv[3]}.pem")
    server = ThreadingHTTPServer(("", 443), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


def main() -> None:
    """Connect the guest and serve."""
    port, device = sys.argv[1], json.loads(sys.argv[2])
    devices = runner.Devices()
    runner.run_ip(["link set lo up"])
    devices.apply({port: device})
    os.set_blocking(devices.descriptors[port], True)
    os.umask(0)
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    guest_socket, host_socket = (f"{sys.argv[4]}/{port}.{end}" for end in ("guest", "host"))
    wire.bind(guest_socket)
    threading.Thread(target=pass_frames, args=(devices.descriptors[port], wire, host_socket), daemon=True).start()
    if Path(f"../{sys.argv[3]}.pem").exists():
        threading.Thread(target=serve_tls, daemon=True).start()
    server = ThreadingHTTPServer(("", 80), Handler)
    Path("up").touch()
    server.serve_forever()


if __name__ == "__main__":
    main()
