"""A program that tests bridges on a host of its own: `ip netns exec NAME python -m tests.drivers.qemu.bridged …`.

`machines FOLDER` prints what is reachable on the bridge, `helper FOLDER` what a user gets by QEMU's helper; in JSON.
"""

import asyncio
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from pileus.domain.compute.instances import FirstBootData
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import (
    FloatingIPSpec,
    NetworkSpec,
    NicSpec,
    RouterSpec,
    SecurityGroupSpec,
    SubnetSpec,
)
from pileus.drivers.qemu import programs
from pileus.drivers.qemu.bridges import connect_bridges
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.fabric.frames import REQUEST, build_arp_frame, pack_ip_address
from pileus.drivers.qemu.fabric.state import HostBridge
from pileus.drivers.qemu.fabric.taps import HELPER_PATHS, TUN, Tap, open_tap_by_bridge_helper
from pileus.drivers.qemu.paths import DataDirectory
from pileus.drivers.qemu.settings import QemuSettings
from pileus.drivers.qemu.users import HostUsers
from tests.drivers.qemu.conftest import PUBLIC, a_nic, a_system, until
from tests.drivers.qemu.drivers import CATALOGUE, ROOMY, end_all_processes

HOST, ROUTER, FLOATING, OUTER, INNER = "198.18.0.1", "198.18.0.7", "198.18.0.60", "198.18.0.50", "10.0.0.5"
CALL_PORT = 8000
"""The port on which the host accepts connections of machines."""
SSH = NewRule(direction="ingress", ethertype="IPv4", protocol="tcp", port_range_min=22, port_range_max=22)
OUT = NewRule(direction="egress", ethertype="IPv4")


def bridge() -> None:
    """Create a bridge with an address, and a TUN device file that only root may open."""
    for command in ("link set lo up", "link add br0 type bridge", f"address add {HOST}/24 dev br0", "link set br0 up"):
        subprocess.run(["ip", *command.split()], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev/net"], check=True)
    os.mknod(TUN, stat.S_IFCHR | 0o600, os.makedev(10, 200))


def open_tun_device() -> None:
    """Make the TUN device accessible to all users, as udev does."""
    Path(TUN).chmod(0o666)


async def tun_error(qemu: Qemu) -> str:
    """Return the error while the TUN device is not accessible."""
    try:
        await qemu.ensure_security_group(SecurityGroupSpec(id="shut", name="shut"))
    except DriverError as problem:
        return str(problem)
    return ""


async def first_bytes(address: str, port: int) -> str:
    """Return the first bytes from an address and port, or the name of the error."""
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(address, port)
            if port != 22:
                writer.write(b"GET / HTTP/1.0\r\n\r\n")
            greeting = await reader.readexactly(7)
            writer.close()
    except (OSError, EOFError) as problem:
        return type(problem).__name__
    return greeting.decode()


async def a_calling_system(qemu: Qemu, nic: NicSpec) -> None:
    """Start a machine that sends an HTTP request to the host when it is up."""
    script = f"#!/bin/sh\nwget -qO- http://{HOST}:{CALL_PORT}/\n"
    await a_system(qemu, nics=[nic], boot=FirstBootData(user_data=b64encode(script.encode()).decode()))


async def create_routed_network(qemu: Qemu) -> NicSpec:
    """Create a network behind a router, and a floating IP of a port in it.

    The tenant gives the network the name of the bridged one, which must have no effect.
    """
    inner = NicSpec(
        port_id="inner", network_id="n", mac_address="fa:16:3e:00:00:02", addresses=[INNER], groups=["open"]
    )
    own = NicSpec(port_id="own", network_id="n", mac_address="fa:16:3e:00:00:03", addresses=["10.0.0.1"])
    outside = NicSpec(port_id="out", network_id=PUBLIC, mac_address="fa:16:3e:00:00:04", addresses=[ROUTER])
    await qemu.ensure_network(NetworkSpec(id="n", name="pub_net", region_id=1, type="vxlan", mtu=1450))
    await qemu.ensure_subnet(SubnetSpec(id="s", network_id="n", cidr="10.0.0.0/24", gateway_ip="10.0.0.1"))
    await qemu.ensure_router(RouterSpec(id="r", name="r", outside=outside))
    await qemu.ensure_router_interface("r", own)
    await qemu.ensure_floating_ip(
        FloatingIPSpec(id="f", region_id=1, ip_address=FLOATING, port_id="inner", fixed_ip_address=INNER)
    )
    return inner


async def machines(folder: Path) -> dict[str, Any]:
    """Start a machine on the bridge and one behind a router, and try to reach both."""
    qemu = Qemu(
        folder,
        programs.find_programs("tcg"),
        CATALOGUE,
        settings=replace(ROOMY, bridges="pub_net=br0"),
        patience=1,
    )
    callers: list[str] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.readline()
            callers.append(writer.get_extra_info("peername")[0])

    async def all_have_called() -> bool:
        return len(callers) > 1

    server = await asyncio.start_server(accept, HOST, CALL_PORT)
    try:
        results = {"shut": await tun_error(qemu)}
        open_tun_device()
        await qemu.ensure_security_group(SecurityGroupSpec(id="open", name="open", rules=[SSH, OUT]))
        inner = await create_routed_network(qemu)
        await asyncio.gather(
            a_calling_system(qemu, a_nic(groups=["open"], addresses=[OUTER])), a_calling_system(qemu, inner)
        )
        await until(all_have_called)
        targets = [(OUTER, 22), (OUTER, 80), (FLOATING, 22), (FLOATING, 80), (ROUTER, 22)]
        greetings = await asyncio.gather(*(first_bytes(address, port) for address, port in targets))
        answers = {f"{address} {port}": greeting for (address, port), greeting in zip(targets, greetings, strict=True)}
        return results | {"callers": sorted(callers)} | answers
    finally:
        await end_all_processes(qemu)
        qemu.close()
        server.close()


def install_helper(folder: Path) -> None:
    """Install QEMU's helper setuid root, in this namespace only, for devices on br0 alone."""
    shutil.copytree("/etc", folder / "etc", symlinks=True)
    (folder / "etc/qemu").mkdir(exist_ok=True)
    (folder / "etc/qemu/bridge.conf").write_text("allow br0\n")
    shutil.copy(HELPER_PATHS[0], folder / "helper")
    (folder / "helper").chmod(0o4755)
    subprocess.run(["mount", "--bind", str(folder / "etc"), "/etc"], check=True)
    subprocess.run(["mount", "--bind", str(folder / "helper"), str(HELPER_PATHS[0])], check=True)


def connect_as_user(folder: Path) -> Any:
    """Connect a network to the bridge without privileges. Return the bridge's name and device, or the error."""
    directory = DataDirectory(folder, HostUsers(QemuSettings(user="root")))
    network = NetworkSpec(id="n", name="net", region_id=1, type="vxlan", mtu=1450)
    try:
        bridges = connect_bridges({"net": "br0"}, [network], directory)
    except DriverError as problem:
        return str(problem)
    return [bridges["n"].name, bridges["n"].device]


async def answers_over_helper_device() -> bool:
    """Return whether the host answers ARP over a device from the helper."""
    answers: list[bytes] = []
    tap = Tap(HostBridge(name="br0"), "n", lambda _, frame: answers.append(frame))
    asker = (b"\x02\0\0\0\0\x07", pack_ip_address(OUTER))

    async def check_answer() -> bool:
        tap.send(build_arp_frame(REQUEST, asker, (bytes(6), pack_ip_address(HOST))))
        return any(frame[28:32] == pack_ip_address(HOST) for frame in answers)

    await until(check_answer, 10)
    tap.close()
    return True


def denied_bridge_error() -> str:
    """Return the helper's error for a bridge that it must not use."""
    try:
        os.close(open_tap_by_bridge_helper("br1"))
    except OSError as problem:
        return str(problem)
    return ""


def helper(folder: Path) -> None:
    """Print, as an unprivileged user, the result without the helper and with it."""
    nobody = pwd.getpwnam("nobody")
    open_tun_device()
    ready, go = os.pipe()
    child_output, child_input = os.pipe()
    if os.fork() == 0:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        results = {"without": connect_as_user(folder)}
        os.write(child_input, b"1")
        os.read(ready, 1)
        results |= {
            "with": connect_as_user(folder),
            "heard": asyncio.run(answers_over_helper_device()),
            "denied": denied_bridge_error(),
        }
        sys.stdout.write(json.dumps(results))
        sys.stdout.flush()
        os._exit(0)
    os.read(child_output, 1)
    install_helper(folder)
    os.write(go, b"1")
    _, status = os.wait()
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    bridge()
    if sys.argv[1] == "machines":
        sys.stdout.write(json.dumps(asyncio.run(machines(Path(sys.argv[2])))))
    else:
        helper(Path(sys.argv[2]))
