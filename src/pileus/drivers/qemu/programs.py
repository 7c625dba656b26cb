"""QEMU's programs: whether they are there, and what they can do; found out by starting them."""

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
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


def find_programs(accelerator: str = "auto") -> Programs:
    """Look for them; raises OSError, which says what is missing, too old, or does not work."""
    system, img = _path(SYSTEM), _path(IMG)
    trial = _tried(system, "tcg")
    if trial.version is not None and trial.version < OLDEST:
        told = ".".join(map(str, trial.version))
        raise OSError(f"{system} is version {told}: at least {'.'.join(map(str, OLDEST))} is needed ({HOW})")
    if not trial.runs or trial.version is None:
        raise OSError(f"{system} does not work: {trial.said or 'it ended without a word'} ({HOW})")
    chosen = _accelerator(system, accelerator)
    programs = Programs(system=system, img=img, version=trial.version, accelerator=chosen)
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
    trial = _tried(system, "kvm")
    if wanted == "kvm" and not trial.runs:
        raise OSError(f"KVM does not work here: {trial.said or 'a machine could not be started with it'}")
    return "kvm" if trial.runs else "tcg"


class ProbeResult(Struct, frozen=True):
    """What came of starting a machine: QEMU's version, whether the machine ran, and what was said against it."""

    version: tuple[int, int] | None
    runs: bool
    said: str


def _tried(system: str, accelerator: str) -> ProbeResult:
    """Start a machine that has nothing but a firmware that ends it."""
    argv = [system, "-accel", accelerator, "-cpu", CPUS[accelerator], "-machine", "q35", "-m", "256", "-qmp", "stdio"]
    bare = ["-no-user-config", "-nodefaults", "-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
    with NamedTemporaryFile(prefix="pileus-", suffix=".rom") as rom, _conversation() as said:
        rom.write(ROM)
        rom.flush()
        try:
            done = subprocess.run(  # noqa: S603  # its arguments are all said here
                [*argv, *bare, "-S", "-bios", rom.name], stdin=said, capture_output=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            return ProbeResult(None, runs=False, said=f"no answer in {PATIENCE:.0f} seconds")
    wrong = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return ProbeResult(_version(done.stdout), runs=done.returncode == RAN, said=wrong[-1] if wrong else "")


@contextmanager
def _conversation() -> Iterator[int]:
    """What is said to a machine that waits: to go on. It has greeted by then, however soon it ends."""
    heard, said = os.pipe()
    try:
        os.write(said, b'{"execute": "qmp_capabilities"}\n{"execute": "cont"}\n')
        yield heard
    finally:
        os.close(said)
        os.close(heard)


def _version(greeting: bytes) -> tuple[int, int] | None:
    for line in greeting.splitlines():
        if line.startswith(b'{"QMP"'):
            numbers = json.loads(line)["QMP"]["version"]["qemu"]
            return numbers["major"], numbers["minor"]
    return None
