"""The seed disk that a machine reads at its first boot: cloud-init's NoCloud, a disk labelled `cidata`.

It holds no secret in plain text but what a tenant puts into user data: a password is stored as its hash.
"""

import io
import json
from collections.abc import Sequence
from typing import Any

import pycdlib
from passlib.hash import sha512_crypt

from pileus.domain.compute.user_data import decode_user_data
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.network import NicSpec, SubnetSpec
from pileus.drivers.qemu.interface_configs import address_configs

HASH_ROUNDS = 100_000
"""Rounds of SHA-512 for a password: about 50 ms."""


def make_seed_disk(machine: MachineSpec, subnets: Sequence[SubnetSpec]) -> bytes:
    """Return the disk as an ISO 9660 file system."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    files = {
        "meta-data": _meta_data(machine).encode(),
        "user-data": cloud_init_user_data(machine),
        "network-config": _network_config(machine.nics, subnets).encode(),
    }
    for number, (file, content) in enumerate(files.items()):
        iso.add_fp(io.BytesIO(content), len(content), f"/F{number}.;1", rr_name=file, joliet_path=f"/{file}")
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    return image.getvalue()


def cloud_init_user_data(machine: MachineSpec) -> bytes:
    """Return the tenant's user data, or else a configuration with the ordered users, keys and password."""
    if machine.boot.user_data:
        return decode_user_data(machine.boot.user_data)
    config: dict[str, Any] = {"hostname": valid_host_name(machine.name), "manage_etc_hosts": True}
    if machine.ssh_public_key:
        config["ssh_authorized_keys"] = [machine.ssh_public_key]
    if machine.boot.password:
        config |= _password_config(machine.boot.username, machine.boot.password, machine.ssh_public_key)
    return b"#cloud-config\n" + json.dumps(config, indent=2).encode() + b"\n"


def valid_host_name(name: str) -> str:
    """Convert a name to a valid host name (RFC 1123)."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name.lower())
    return letters.strip("-")[:63] or "machine"


def _password_config(username: str | None, password: str, key: str | None) -> dict[str, Any]:
    # cloud-init takes a hash that begins with $2b$ for a password, and old systems do not know bcrypt.
    hashed = sha512_crypt.using(rounds=HASH_ROUNDS).hash(password)
    if not username:
        return {"password": hashed, "chpasswd": {"expire": False}, "ssh_pwauth": True}
    user = {"name": username, "hashed_passwd": hashed, "lock_passwd": False, "shell": "/bin/bash"}
    keys = {"ssh_authorized_keys": [key]} if key else {}
    return {"users": ["default", {**user, **keys, "sudo": "ALL=(ALL) NOPASSWD:ALL"}], "ssh_pwauth": True}


def _meta_data(machine: MachineSpec) -> str:
    meta_data: dict[str, Any] = {"instance-id": machine.id, "local-hostname": valid_host_name(machine.name)}
    if machine.ssh_public_key:
        meta_data["public-keys"] = [machine.ssh_public_key]
    return json.dumps(meta_data, indent=2)


def _network_config(nics: Sequence[NicSpec], subnets: Sequence[SubnetSpec]) -> str:
    """Return cloud-init's network configuration: interfaces by MAC address, with DHCP or with static addresses."""
    interfaces = {f"nic{number}": _interface_config(nic, subnets) for number, nic in enumerate(nics)}
    return json.dumps({"version": 2, "ethernets": interfaces}, indent=2)


def _interface_config(nic: NicSpec, subnets: Sequence[SubnetSpec]) -> dict[str, Any]:
    """Return the configuration of an interface. What has DHCP gets routes and name servers by it."""
    configs = list(address_configs(nic, subnets))
    static = [config for config in configs if not config.dhcp]
    name_servers = list(dict.fromkeys(server for config in static for server in config.name_servers))
    optional = {
        "addresses": [f"{config.address}/{config.prefix_length}" for config in static],
        "routes": [{"to": route.destination, "via": route.nexthop} for config in static for route in config.routes],
        "nameservers": {"addresses": name_servers} if name_servers else None,
    }
    uses_dhcp = any(config.dhcp for config in configs)
    always = {"match": {"macaddress": nic.mac_address}, "dhcp4": uses_dhcp, "dhcp6": False}
    return always | {name: value for name, value in optional.items() if value}
