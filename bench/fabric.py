"""Measure frames between two machines of a network: through the fabric, and over plain sockets."""

import asyncio
import multiprocessing
import socket
import subprocess  # noqa: TC003  # a quoted annotation names it
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.network import NicSpec, SecurityGroupSpec
from pileus.drivers.qemu.fabric import client
from pileus.drivers.qemu.fabric.frames import build_udp_frame, pack_ip_address, parse_mac_address
from pileus.drivers.qemu.fabric.state import FabricState, MachineNic

SIZE = 1400
"""The payload of a frame in bytes."""
NICS = [
    NicSpec(port_id=name, network_id="n", mac_address=f"02:00:00:00:00:0{at}", addresses=[f"10.0.0.{at}"], groups=["g"])
    for at, name in enumerate(("from", "to"), 1)
]
RULES = [NewRule(direction=direction, ethertype="IPv4") for direction in ("ingress", "egress")]
STATE = FabricState(
    revision=1,
    wires=[MachineNic(machine_id=nic.port_id, nic=nic) for nic in NICS],
    security_groups=[SecurityGroupSpec(id="g", name="g", rules=RULES)],
)


def measure(seconds: float) -> tuple[float, float]:
    """Return the frames per second through the fabric and over plain sockets."""
    with tempfile.TemporaryDirectory(prefix="pileus-") as folder, _run_fabric(Path(folder)) as wires:
        fabric_rate = _measure_rate(wires / "from.guest", wires / "from.host", wires / "to.guest", seconds)
        socket_rate = _measure_rate(wires / "bare.from", wires / "bare.to", wires / "bare.to", seconds)
        return fabric_rate, socket_rate


@contextmanager
def _run_fabric(folder: Path) -> Iterator[Path]:
    child = client.start(folder, None)
    try:
        asyncio.run(_apply_state(folder, child))
        yield folder / "wires"
    finally:
        child.terminate()
        child.wait()


async def _apply_state(folder: Path, child: "subprocess.Popen[bytes]") -> None:
    while child.poll() is None:
        with suppress(client.FabricNotRunning):
            await client.apply_state(folder, STATE)
            return
        await asyncio.sleep(0.05)
    raise OSError(f"The fabric ended: {(folder / 'fabric.log').read_text()}")


def _measure_rate(source: Path, target: Path, destination: Path, seconds: float) -> float:
    """Return the received frames per second while another process sends as fast as possible."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(destination))
        receiver.settimeout(5)
        sender = multiprocessing.get_context("fork").Process(target=_send, args=(source, target), daemon=True)
        sender.start()
        try:
            receiver.recv(65536)
            return _count_per_second(receiver, seconds)
        finally:
            sender.terminate()
            sender.join()


def _count_per_second(receiver: socket.socket, seconds: float) -> float:
    count, started_at = 0, time.monotonic()
    while (now := time.monotonic()) < started_at + seconds:
        receiver.recv(65536)
        count += 1
    return count / (now - started_at)


def _send(source: Path, target: Path) -> None:
    sender_nic, receiver_nic = NICS
    macs, addresses = (
        (parse_mac_address(sender_nic.mac_address), parse_mac_address(receiver_nic.mac_address)),
        (sender_nic.addresses[0], receiver_nic.addresses[0]),
    )
    frame = build_udp_frame(macs, (pack_ip_address(addresses[0]), pack_ip_address(addresses[1])), (1, 2), bytes(SIZE))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.bind(str(source))
        while True:
            sender.sendto(frame, str(target))
