"""Frames between two machines of a network: through the fabric, against sockets without anything between them."""

import asyncio
import multiprocessing
import socket
import subprocess  # noqa: TC003  # as other modules have it
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.network import Nic, SecurityGroupSpec
from pileus.drivers.qemu.fabric import client
from pileus.drivers.qemu.fabric.frames import mac, packed, udp
from pileus.drivers.qemu.fabric.state import State, Wire

SIZE = 1400
"""Bytes of what a frame carries."""
NICS = [
    Nic(port_id=name, network_id="n", mac_address=f"02:00:00:00:00:0{at}", addresses=[f"10.0.0.{at}"], groups=["g"])
    for at, name in enumerate(("from", "to"), 1)
]
RULES = [NewRule(direction=direction, ethertype="IPv4") for direction in ("ingress", "egress")]
STATE = State(
    revision=1,
    wires=[Wire(machine_id=nic.port_id, nic=nic) for nic in NICS],
    security_groups=[SecurityGroupSpec(id="g", name="g", rules=RULES)],
)


def measured(seconds: float) -> tuple[float, float]:
    """Frames per second through the fabric, and from socket to socket."""
    with tempfile.TemporaryDirectory(prefix="pileus-") as folder, _fabric(Path(folder)) as wires:
        through = _passed(wires / "from.guest", wires / "from.host", wires / "to.guest", seconds)
        bare = _passed(wires / "bare.from", wires / "bare.to", wires / "bare.to", seconds)
        return through, bare


@contextmanager
def _fabric(folder: Path) -> Iterator[Path]:
    child = client.start(folder, None)
    try:
        asyncio.run(_told(folder, child))
        yield folder / "wires"
    finally:
        child.terminate()
        child.wait()


async def _told(folder: Path, child: "subprocess.Popen[bytes]") -> None:
    while child.poll() is None:
        with suppress(client.FabricGone):
            await client.apply_state(folder, STATE)
            return
        await asyncio.sleep(0.05)
    raise OSError(f"The fabric ended: {(folder / 'fabric.log').read_text()}")


def _passed(source: Path, into: Path, out_of: Path, seconds: float) -> float:
    """Frames per second that come out while somebody puts in as many as go."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(out_of))
        receiver.settimeout(5)
        sender = multiprocessing.get_context("fork").Process(target=_send, args=(source, into), daemon=True)
        sender.start()
        try:
            receiver.recv(65536)
            return _counted(receiver, seconds)
        finally:
            sender.terminate()
            sender.join()


def _counted(receiver: socket.socket, seconds: float) -> float:
    count, began = 0, time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        receiver.recv(65536)
        count += 1
    return count / (now - began)


def _send(source: Path, into: Path) -> None:
    one, other = NICS
    ends, addresses = (mac(one.mac_address), mac(other.mac_address)), (one.addresses[0], other.addresses[0])
    frame = udp(ends, (packed(addresses[0]), packed(addresses[1])), (1, 2), bytes(SIZE))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.bind(str(source))
        while True:
            sender.sendto(frame, str(into))
