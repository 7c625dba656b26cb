"""The user data that cloud-init reads at the first boot of a machine. A password is stored as its hash."""

import json
from typing import Any

from passlib.hash import sha512_crypt

from pileus.domain.compute.user_data import decode_user_data
from pileus.drivers.protocols.compute import MachineSpec

HASH_ROUNDS = 100_000
"""Rounds of SHA-512 for a password: about 50 ms."""


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
