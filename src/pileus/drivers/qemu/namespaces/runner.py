"""`python runner.py FOLDER`: run a program in this network namespace, with TAP devices that the fabric gets.

It runs as root of its namespace, is no part of the server's process, and imports the standard library alone.

The file `runner.json` in the folder has the command, and the devices at the start. Two sockets are served: one for the
fabric, which sends the id of a port and gets the descriptor of its device, and `control.sock` for the server, which
sends all devices again when they change. The process ends with the program, and the program with it. Its signals
SIGTERM and SIGHUP are passed on.

It begins when the server has saved its number, and writes that to its standard input: nobody could end it before.
"""

import ctypes
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

TUN = "/dev/net/tun"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
"""Constants of the kernel's linux/if_tun.h."""
SETTINGS, CONTROL = "runner.json", "control.sock"
PR_SET_PDEATHSIG = 1
GO, READY, FAILED = b"go\n", b"ok\n", b"failed: "
CLIENT_TIMEOUT, MESSAGE_LIMIT = 5.0, 1 << 20
"""Seconds that a client has for its request, and bytes of one."""
END_TIMEOUT = 5.0
"""Seconds that the program has to end."""
Device = dict[str, Any]
LIBC = ctypes.CDLL(None)


class Devices:
    """The TAP devices of the namespace, by port id. A device has a name, an address, an MTU, addresses and routes."""

    def __init__(self) -> None:
        self.descriptors: dict[str, int] = {}
        self._applied: dict[str, Device] = {}

    def apply(self, devices: dict[str, Device]) -> None:
        """Create, change and delete devices. Raises OSError, and RuntimeError with the message of `ip`."""
        for port_id in self._applied.keys() - devices.keys():
            run_ip([f"link del {self._applied.pop(port_id)['name']}"])
            os.close(self.descriptors.pop(port_id))
        for port_id, device in devices.items():
            if self._applied.get(port_id) == device:
                continue
            if port_id not in self.descriptors:
                self.descriptors[port_id] = open_device(device["name"])
            run_ip(configure_commands(device))
            self._applied[port_id] = device


def open_device(name: str) -> int:
    """Create a TAP device that exists as long as its descriptor. Raises OSError."""
    descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def configure_commands(device: Device) -> list[str]:
    """Return the commands of `ip` that configure a device, from any configuration."""
    name = device["name"]
    commands = [f"addr flush dev {name}", f"link set {name} address {device['mac']} mtu {device['mtu']} up"]
    commands += [f"addr replace {address} dev {name} nodad" for address in device["addresses"]]
    return commands + [f"route replace {to} via {via} dev {name} onlink" for to, via in device["routes"]]


def run_ip(commands: list[str]) -> None:
    """Run commands of `ip`. Raises RuntimeError with its message."""
    result = subprocess.run(
        ["ip", "-batch", "-"],  # noqa: S607  # the path is the server's
        input="\n".join(commands),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(result.stderr.strip() or "ip failed")


def open_listening_socket(name: str, owner: int | None) -> socket.socket:
    """Listen on a socket that only its owner can connect to."""
    Path(name).unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.umask(0o177)
    server.bind(name)
    os.umask(0o077)
    if owner is not None:
        os.chown(name, owner, -1)
    server.listen(8)
    return server


def hand_over(connection: socket.socket, devices: Devices) -> None:
    """Send the descriptor of the device that a client asks for."""
    descriptor = devices.descriptors.get(connection.recv(64).decode("ascii", "replace"))
    if descriptor is not None:
        socket.send_fds(connection, [b"1"], [descriptor])


def apply_request(connection: socket.socket, devices: Devices) -> None:
    """Apply the devices that the server sends, and answer how that went."""
    line = connection.makefile("rb").readline(MESSAGE_LIMIT)
    try:
        devices.apply(json.loads(line))
    except (OSError, RuntimeError, ValueError) as problem:
        connection.sendall(FAILED + str(problem).encode())
        return
    connection.sendall(READY)


def end_with(parent: int) -> None:
    """Let this process end with its parent, at any time."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def run_program(settings: dict[str, Any]) -> int:
    """Create the devices, start the program and serve the sockets until it ends. Return its exit code."""
    devices = Devices()
    run_ip(["link set lo up"])
    devices.apply(settings["devices"])
    handlers = {
        open_listening_socket(settings["tap_socket"], settings["fabric_uid"]): hand_over,
        open_listening_socket(CONTROL, None): apply_request,
    }
    runner_id = os.getpid()
    child = subprocess.Popen(  # noqa: S603  # the server's own command
        settings["command"],
        cwd=settings["cwd"],
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: end_with(runner_id),  # noqa: PLW1509  # there are no threads
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: child.send_signal(received))
    with selectors.DefaultSelector() as selector:
        selector.register(os.pidfd_open(child.pid), selectors.EVENT_READ)
        for server, handler in handlers.items():
            selector.register(server, selectors.EVENT_READ, handler)
        while child.poll() is None:
            answer_ready(selector, devices)
    return child.returncode


def answer_ready(selector: selectors.BaseSelector, devices: Devices) -> None:
    """Wait, and answer the clients of all sockets that have one."""
    for key, _ in selector.select():
        if key.data is not None:
            answer(key.fileobj, key.data, devices)


def answer(server: Any, handler: Any, devices: Devices) -> None:
    """Accept a client and handle its request."""
    with suppress(OSError), server.accept()[0] as connection:
        connection.settimeout(CLIENT_TIMEOUT)
        handler(connection, devices)


def main() -> int:
    """Run in the folder, until the program ends."""
    os.chdir(sys.argv[1])
    os.umask(0o077)
    if sys.stdin.buffer.readline() != GO:
        return 1
    try:
        return run_program(json.loads(Path(SETTINGS).read_bytes()))
    except (OSError, RuntimeError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


def probe() -> int:
    """Create and configure a device, to find out whether that is possible here."""
    try:
        Devices().apply(
            {"probe": {"name": "probe", "mac": "fa:16:3e:00:00:01", "mtu": 1500, "addresses": [], "routes": []}}
        )
    except (OSError, RuntimeError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main() if len(sys.argv) > 1 else probe())
