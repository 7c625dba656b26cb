"""Arguments that QEMU is started with. Sizes and ids are all that tenants choose of them."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.qemu.monitor import COMMANDS, EVENTS
from pileus.drivers.qemu.paths import WireSockets
from pileus.drivers.qemu.programs import CPUS, Programs

SLOTS = 20
"""How many disks and interfaces a machine can have."""
NO_SLOT = 0
"""Stands for the slot of a device that is only named or removed."""
VNC, SEED = "vnc.sock", "seed.iso"
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
Properties = dict[str, Any]


class Device:
    """A disk or an interface of a machine: a backend on the host, and a frontend in a PCI slot of the guest."""

    def __init__(self, kind: str, backend: Properties, frontend: Properties, slot: int) -> None:
        self.backend = backend
        self.kind = kind
        self.frontend = {**frontend, "bus": f"slot{slot}"}
        self.slot = slot

    @property
    def id(self) -> str:
        """The id of the device."""
        return str(self.frontend["id"])

    def arguments(self) -> list[str]:
        """Return the arguments that start a machine with the device."""
        return [f"-{self.kind}", _json(self.backend), "-device", _json(self.frontend)]


def disk_device(volume_id: str, slot: int, boot_index: int = -1) -> Device:
    """Return a volume as a disk; its serial number in the guest is the first 20 characters of its id."""
    node = disk_node_name(volume_id)
    backend = {
        "driver": "qcow2",
        "node-name": node,
        "discard": "unmap",
        "detect-zeroes": "unmap",
        "file": {"driver": "file", "filename": f"../../volumes/{volume_id}.qcow2"},
    }
    frontend: Properties = {"driver": "virtio-blk-pci", "id": f"{node}-d", "drive": node, "serial": volume_id[:20]}
    if boot_index >= 0:
        frontend["bootindex"] = boot_index
    return Device("blockdev", backend, frontend, slot)


def disk_node_name(volume_id: str) -> str:
    """Return the name of a volume's block node in QEMU."""
    return _qemu_id("v", volume_id)


def nic_device(port_id: str, mac_address: str, slot: int, user_id: int | None = None) -> Device:
    """Return a port as a network interface, which exchanges frames with the fabric, by sockets of a client's user."""
    link = _qemu_id("n", port_id)
    sockets = WireSockets.of(port_id, user_id)
    backend = {
        "type": "dgram",
        "id": link,
        "local": {"type": "unix", "path": f"../../net/{sockets.guest}"},
        "remote": {"type": "unix", "path": f"../../net/{sockets.host}"},
    }
    frontend = {"driver": "virtio-net-pci", "id": f"{link}-d", "netdev": link, "mac": mac_address, "romfile": ""}
    return Device("netdev", backend, frontend, slot)


def _qemu_id(kind: str, identity: str) -> str:
    """Return an id for QEMU, which allows 31 characters."""
    return kind + hashlib.sha256(identity.encode()).hexdigest()[:24]


def qemu_command(programs: Programs, machine: MachineSpec, devices: list[Device], serial_log: int) -> list[str]:
    """Return the command that starts QEMU in the machine's directory; it inherits the descriptor of the serial log."""
    return [
        programs.system,
        *("-name", f"guest={machine.id}", "-uuid", machine.id),
        *("-accel", "tcg,thread=multi" if programs.accelerator == "tcg" else programs.accelerator),
        *("-machine", "q35,vmport=off,hpet=off"),
        *("-cpu", CPUS[programs.accelerator], "-smp", str(machine.vcpus), "-m", str(machine.ram)),
        *("-no-user-config", "-nodefaults", "-display", "none", "-sandbox", SANDBOX),
        *("-action", "shutdown=pause", "-rtc", "base=utc", "-boot", "strict=on"),
        *_monitor_and_console(serial_log),
        *_fixed_devices(),
        *(argument for device in sorted(devices, key=lambda device: device.slot) for argument in device.arguments()),
    ]


def _monitor_and_console(serial_log: int) -> list[str]:
    """Return the arguments for monitors, screen and serial line."""
    return [
        *("-qmp", f"unix:{COMMANDS},server=on,wait=off"),
        *("-qmp", f"unix:{EVENTS},server=on,wait=off"),
        *("-vga", "std", "-vnc", f"unix:{VNC}"),
        *("-add-fd", f"fd={serial_log},set=1"),
        *("-chardev", "file,id=serial,path=/dev/fdset/1,append=on", "-serial", "chardev:serial"),
    ]


def _fixed_devices() -> list[str]:
    """Return the arguments for the devices of every machine."""
    seed = {"driver": "raw", "node-name": "seed", "read-only": True, "file": {"driver": "file", "filename": SEED}}
    devices: list[Mapping[str, Any]] = [
        *(
            {"driver": "pcie-root-port", "id": f"slot{slot}", "chassis": slot, "slot": slot}
            for slot in range(1, SLOTS + 1)
        ),
        {"driver": "virtio-rng-pci", "rng": "random"},
        {"driver": "virtio-balloon-pci", "id": "balloon"},
        {"driver": "virtio-scsi-pci", "id": "scsi"},
        {"driver": "scsi-hd", "bus": "scsi.0", "drive": "seed"},
        {"driver": "usb-ehci", "id": "usb"},
        {"driver": "usb-tablet", "bus": "usb.0"},
    ]
    return [
        *("-object", _json({"qom-type": "rng-random", "id": "random", "filename": "/dev/urandom"})),
        *("-blockdev", _json(seed)),
        *(argument for device in devices for argument in ("-device", _json(device))),
    ]


def _json(properties: Mapping[str, Any]) -> str:
    return msgspec.json.encode(properties).decode()
