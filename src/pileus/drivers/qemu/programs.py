"""QEMU's programs: find them, and test by a tiny machine what they can do."""

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

from msgspec import Struct

from pileus.drivers.qemu.settings import QemuSettings
from pileus.drivers.qemu.users import HostUsers, command_as_user, environment_of_programs

LOG = logging.getLogger(__name__)
SYSTEM, IMG = "qemu-system-x86_64", "qemu-img"
MIN_VERSION = (7, 2)
"""The first version with network backends of datagrams."""
INSTALL_HINT = "on Debian and Ubuntu: apt-get install qemu-system-x86 qemu-utils"
FIRMWARE = bytes(0x10000 - 16) + bytes.fromhex("b010e6f4f4").ljust(16, b"\xf4")
"""A firmware of three instructions: write 16 to port 0xF4, where QEMU's debug device ends it, and halt."""
EXIT_CODE = 33
"""QEMU's exit code then: twice the number plus one."""
CPUS = {"kvm": "host", "tcg": "max"}
PROBE_TIMEOUT = 20.0
"""Seconds that a probe may take."""


class Programs(Struct, frozen=True, kw_only=True):
    """The paths of the programs, their version, and the accelerator: `kvm` or `tcg`."""

    system: str
    img: str
    version: tuple[int, int]
    accelerator: str

    def __str__(self) -> str:
        accelerator = "KVM" if self.accelerator == "kvm" else "TCG: KVM does not work here, machines are slow"
        return f"QEMU {self.version[0]}.{self.version[1]} with {accelerator}"


def find_programs(accelerator: str = "auto", settings: QemuSettings | None = None) -> Programs:
    """Find the programs, and try them as the user of the settings that machines run as.

    Raises OSError, which names what is missing, too old or does not work.
    """
    system, img = _find(SYSTEM), _find(IMG)
    result = _probe(system, "tcg", settings)
    if result.version is not None and result.version < MIN_VERSION:
        version = ".".join(map(str, result.version))
        raise OSError(
            f"{system} is version {version}: at least {'.'.join(map(str, MIN_VERSION))} is needed ({INSTALL_HINT})"
        )
    if not result.runs or result.version is None:
        raise OSError(f"{system} does not work: {result.error or 'it ended without an error message'} ({INSTALL_HINT})")
    programs = Programs(
        system=system, img=img, version=result.version, accelerator=_choose_accelerator(system, accelerator, settings)
    )
    LOG.info("Machines run on %s", programs)
    return programs


def _find(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise OSError(f"{name} is missing; {INSTALL_HINT}")
    return path


def _choose_accelerator(system: str, preferred: str, settings: QemuSettings | None) -> str:
    """Return `kvm` if a machine runs on it: it may fail although its device can be opened."""
    if preferred == "tcg":
        return preferred
    result = _probe(system, "kvm", settings)
    if preferred == "kvm" and not result.runs:
        raise OSError(f"KVM does not work here: {result.error or 'a machine could not be started with it'}")
    return "kvm" if result.runs else "tcg"


class ProbeResult(Struct, frozen=True):
    """The result of starting a machine: QEMU's version, whether the machine ran, and the last error message."""

    version: tuple[int, int] | None
    runs: bool
    error: str


def _probe(system: str, accelerator: str, settings: QemuSettings | None) -> ProbeResult:
    """Start a machine whose firmware ends it at once."""
    machine = [
        system,
        "-accel",
        accelerator,
        "-cpu",
        CPUS[accelerator],
        "-machine",
        "q35",
        "-m",
        "256",
        "-qmp",
        "stdio",
    ]
    devices = ["-no-user-config", "-nodefaults", "-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
    user = HostUsers(settings, accelerator).shared if settings else None
    with TemporaryFile() as rom, _resume_commands() as commands:
        rom.write(FIRMWARE)
        rom.flush()
        os.fchmod(rom.fileno(), 0o644)
        firmware = f"/proc/self/fd/{rom.fileno()}"
        try:
            done = subprocess.run(  # noqa: S603  # fixed arguments
                command_as_user(user, ("--core=0",) if user else (), [*machine, *devices, "-S", "-bios", firmware]),
                stdin=commands,
                pass_fds=(rom.fileno(),),
                env=environment_of_programs(),
                capture_output=True,
                timeout=PROBE_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ProbeResult(None, runs=False, error=f"no answer in {PROBE_TIMEOUT:.0f} seconds")
    errors = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return ProbeResult(
        _parse_version(done.stdout), runs=done.returncode == EXIT_CODE, error=errors[-1] if errors else ""
    )


@contextmanager
def _resume_commands() -> Iterator[int]:
    """Yield a pipe with QMP commands that resume a paused machine, so that it sends its greeting before it ends."""
    read_end, write_end = os.pipe()
    try:
        os.write(write_end, b'{"execute": "qmp_capabilities"}\n{"execute": "cont"}\n')
        yield read_end
    finally:
        os.close(write_end)
        os.close(read_end)


def _parse_version(greeting: bytes) -> tuple[int, int] | None:
    for line in greeting.splitlines():
        if line.startswith(b'{"QMP"'):
            numbers = json.loads(line)["QMP"]["version"]["qemu"]
            return numbers["major"], numbers["minor"]
    return None
