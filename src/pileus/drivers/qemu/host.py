"""The host: how many vCPUs, how much memory and disk it has for machines, and which boot it is in."""

import os
import shutil
from pathlib import Path

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.guests import DiskSpace, TotalCapacity
from pileus.drivers.qemu.machine_records import STOPPED, MachineRecords
from pileus.drivers.qemu.settings import QemuSettings

MIB = 1 << 20
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class HostCapacity:
    """The capacity of the host for machines, over-commitment included."""

    def __init__(self, settings: QemuSettings, records: MachineRecords) -> None:
        self._settings, self._records = settings, records

    def total_capacity(self) -> TotalCapacity:
        """Return the cores and the memory of the host, times their over-commitment ratios."""
        ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB
        cores = len(os.sched_getaffinity(0))
        return TotalCapacity(vcpus=int(cores * self._settings.cpu_ratio), ram=int(ram * self._settings.ram_ratio))

    def check_machine_fits(self, machine: MachineSpec) -> None:
        """Raise DriverError if a machine does not fit beside the machines that are not stopped."""
        total = self.total_capacity()
        others = [
            record.machine
            for machine_id, record in self._records.by_id().items()
            if machine_id != machine.id and record.intent != STOPPED
        ]
        vcpus = sum(other.vcpus for other in others) + machine.vcpus
        ram = sum(other.ram for other in others) + machine.ram
        if vcpus > total.vcpus or ram > total.ram:
            usage = f"{vcpus} vCPUs and {ram} MiB would be in use, of {total.vcpus} and {total.ram}"
            raise DriverError(f"The host has no capacity left: {usage}", retryable=False)


def measure_disk_space(folder: Path) -> DiskSpace:
    """Return the size of the file system of a directory, and what this process may still write. Raises OSError."""
    usage = shutil.disk_usage(folder)
    return DiskSpace(total=usage.total, free=usage.free)


def host_boot_id() -> str:
    """Return the id of the host's current boot."""
    return BOOT_ID.read_text("ascii").strip()
