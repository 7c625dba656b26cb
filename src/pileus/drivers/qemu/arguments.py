"""What a machine is started with: one vector of arguments, in which nothing of a tenant's stands but sizes and ids."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.drivers.protocols.compute import Machine
from pileus.drivers.qemu.monitor import COMMANDS, EVENTS
from pileus.drivers.qemu.programs import CPUS, Programs

SLOTS = 20
"""How many disks and interfaces a machine can have."""
VNC, SERIAL, SEED = "vnc.sock", "serial.log", "seed.iso"
CONFINED = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
Facts = dict[str, Any]


class Plug:
    """A disk or an interface of a machine: what it is made of, and the device that is plugged into a slot."""

    def __init__(self, kind: str, backend: Facts, device: Facts, slot: int) -> None:
        self.backend = backend
        self.kind = kind
        self.device = {**device, "bus": f"slot{slot}"}
        self.slot = slot

    @property
    def id(self) -> str:
        """The device's name."""
        return str(self.device["id"])

    def arguments(self) -> list[str]:
        """What starts a machine with it."""
        return [f"-{self.kind}", _json(self.backend), "-device", _json(self.device)]


def disk(volume_id: str, slot: int, boot_index: int = -1) -> Plug:
    """A volume as a disk; the guest finds the first 20 characters of its id as the serial number."""
    node = name("v", volume_id)
    backend = {
        "driver": "qcow2",
        "node-name": node,
        "discard": "unmap",
        "detect-zeroes": "unmap",
        "file": {"driver": "file", "filename": f"../../volumes/{volume_id}.qcow2"},
    }
    device: Facts = {"driver": "virtio-blk-pci", "id": f"{node}-d", "drive": node, "serial": volume_id[:20]}
    if boot_index >= 0:
        device["bootindex"] = boot_index
    return Plug("blockdev", backend, device, slot)


def nic(port_id: str, mac_address: str, slot: int) -> Plug:
    """A port as an interface, whose frames go to the fabric and come from there."""
    link = name("n", port_id)
    wires = f"../../net/wires/{port_id}"
    backend = {
        "type": "dgram",
        "id": link,
        "local": {"type": "unix", "path": f"{wires}.guest"},
        "remote": {"type": "unix", "path": f"{wires}.host"},
    }
    device = {"driver": "virtio-net-pci", "id": f"{link}-d", "netdev": link, "mac": mac_address, "romfile": ""}
    return Plug("netdev", backend, device, slot)


def name(kind: str, identity: str) -> str:
    """A name that QEMU takes for its things: it allows 31 characters."""
    return kind + hashlib.sha256(identity.encode()).hexdigest()[:24]


def command(programs: Programs, machine: Machine, plugs: list[Plug]) -> list[str]:
    """How QEMU is started, in the machine's directory."""
    return [
        programs.system,
        *("-name", f"guest={machine.id}", "-uuid", machine.id),
        *("-accel", "tcg,thread=multi" if programs.accelerator == "tcg" else programs.accelerator),
        *("-machine", "q35,vmport=off,hpet=off"),
        *("-cpu", CPUS[programs.accelerator], "-smp", str(machine.vcpus), "-m", str(machine.ram)),
        *("-no-user-config", "-nodefaults", "-display", "none", "-sandbox", CONFINED),
        *("-action", "shutdown=pause", "-rtc", "base=utc", "-boot", "strict=on"),
        *_lines(),
        *_furniture(),
        *(argument for plug in sorted(plugs, key=lambda each: each.slot) for argument in plug.arguments()),
    ]


def _lines() -> list[str]:
    """Monitors, the screen and the serial line."""
    return [
        *("-qmp", f"unix:{COMMANDS},server=on,wait=off"),
        *("-qmp", f"unix:{EVENTS},server=on,wait=off"),
        *("-vga", "std", "-vnc", f"unix:{VNC}"),
        *("-chardev", f"file,id=serial,path={SERIAL},append=on", "-serial", "chardev:serial"),
    ]


def _furniture() -> list[str]:
    """What each machine has: slots to plug things into, chance, memory that tells of itself, and its seed."""
    seed = {"driver": "raw", "node-name": "seed", "read-only": True, "file": {"driver": "file", "filename": SEED}}
    devices: list[Mapping[str, Any]] = [
        *({"driver": "pcie-root-port", "id": f"slot{at}", "chassis": at, "slot": at} for at in range(1, SLOTS + 1)),
        {"driver": "virtio-rng-pci", "rng": "chance"},
        {"driver": "virtio-balloon-pci", "id": "balloon"},
        {"driver": "virtio-scsi-pci", "id": "scsi"},
        {"driver": "scsi-hd", "bus": "scsi.0", "drive": "seed"},
        {"driver": "usb-ehci", "id": "usb"},
        {"driver": "usb-tablet", "bus": "usb.0"},
    ]
    return [
        *("-object", _json({"qom-type": "rng-random", "id": "chance", "filename": "/dev/urandom"})),
        *("-blockdev", _json(seed)),
        *(argument for device in devices for argument in ("-device", _json(device))),
    ]


def _json(facts: Mapping[str, Any]) -> str:
    return msgspec.json.encode(facts).decode()
