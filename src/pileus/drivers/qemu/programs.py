"""QEMU's programs: whether they are there, and what they can do; found out by starting them."""

import json
import logging
import shutil
import subprocess
from subprocess import DEVNULL
from tempfile import NamedTemporaryFile

from msgspec import Struct

LOG = logging.getLogger(__name__)
SYSTEM, IMG = "qemu-system-x86_64", "qemu-img"
OLDEST = (7, 2)
"""The first version whose machines can be wired by datagrams."""
HOW = "on Debian and Ubuntu: apt-get install qemu-system-x86 qemu-utils"
ROM = bytes(0x10000 - 16) + bytes.fromhex("b010e6f4f4").ljust(16, b"\xf4")
"""A firmware of three instructions: write 16 to port 0xF4, where QEMU's debug device ends it, and halt."""
RAN = 33
"""How QEMU ends then: twice the number and one."""
CPUS = {"kvm": "host", "tcg": "max"}
PATIENCE = 20.0
"""Seconds that a trial may take."""


class Programs(Struct, frozen=True, kw_only=True):
    """Where they are, their version, and what runs the machines' processors: `kvm` or `tcg`."""

    system: str
    img: str
    version: tuple[int, int]
    accelerator: str

    def __str__(self) -> str:
        how = "KVM" if self.accelerator == "kvm" else "TCG: KVM does not work here, machines are slow"
        return f"QEMU {self.version[0]}.{self.version[1]} with {how}"


def found(accelerator: str = "auto") -> Programs:
    """Look for them; raises OSError, which says what is missing, too old, or does not work."""
    system, img = _path(SYSTEM), _path(IMG)
    version, runs = _tried(system, "tcg")
    if version < OLDEST or not runs:
        told = ".".join(map(str, version))
        raise OSError(f"{system} is version {told}: at least {'.'.join(map(str, OLDEST))} is needed ({HOW})")
    chosen = _accelerator(system, accelerator)
    programs = Programs(system=system, img=img, version=version, accelerator=chosen)
    LOG.info("Machines run on %s", programs)
    return programs


def _path(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise OSError(f"{name} is missing; {HOW}")
    return path


def _accelerator(system: str, wanted: str) -> str:
    """KVM if a machine runs on it: that its device can be opened is no proof."""
    if wanted == "tcg":
        return wanted
    works = _tried(system, "kvm")[1]
    if wanted == "kvm" and not works:
        raise OSError("KVM does not work here: a machine could not be started with it")
    return "kvm" if works else "tcg"


def _tried(system: str, accelerator: str) -> tuple[tuple[int, int], bool]:
    """The version, and whether a machine runs: one is started that has nothing but a firmware that ends it."""
    argv = [system, "-accel", accelerator, "-cpu", CPUS[accelerator], "-machine", "q35", "-m", "256", "-qmp", "stdio"]
    bare = ["-no-user-config", "-nodefaults", "-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
    with NamedTemporaryFile(prefix="pileus-", suffix=".rom") as rom:
        rom.write(ROM)
        rom.flush()
        try:
            done = subprocess.run(  # noqa: S603  # its arguments are all said here
                [*argv, *bare, "-bios", rom.name], capture_output=True, timeout=PATIENCE, stdin=DEVNULL, check=False
            )
        except subprocess.TimeoutExpired:
            return (0, 0), False
    return _version(done.stdout), done.returncode == RAN


def _version(greeting: bytes) -> tuple[int, int]:
    for line in greeting.splitlines():
        if line.startswith(b'{"QMP"'):
            numbers = json.loads(line)["QMP"]["version"]["qemu"]
            return numbers["major"], numbers["minor"]
    return 0, 0
