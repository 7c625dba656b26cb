"""What a machine reads at its first boot: cloud-init's NoCloud seed, a disk labelled `cidata`.

Nothing of it is a secret in plain text but what a tenant has put into user data: a password is there as its hash.
"""

import base64
import binascii
import io
import json
from collections.abc import Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import bcrypt
import pycdlib

from pileus.drivers.protocols.compute import DriverError, Machine, Nic, SubnetSpec

LONGEST = 72
"""Bytes of a password that its hash tells apart."""


def seed(machine: Machine, subnets: Sequence[SubnetSpec]) -> bytes:
    """The disk as an ISO 9660 file system; raises DriverError for a password that cannot be hashed."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    files = {
        "meta-data": _meta_data(machine).encode(),
        "user-data": user_data(machine),
        "network-config": _network(machine.nics, subnets).encode(),
    }
    for at, (file, content) in enumerate(files.items()):
        iso.add_fp(io.BytesIO(content), len(content), f"/F{at}.;1", rr_name=file, joliet_path=f"/{file}")
    written = io.BytesIO()
    iso.write_fp(written)
    iso.close()
    return written.getvalue()


def user_data(machine: Machine) -> bytes:
    """The tenant's own; without it, users, keys and password as they were ordered."""
    if machine.boot.user_data:
        return plain(machine.boot.user_data)
    config: dict[str, Any] = {"hostname": host_name(machine.name), "manage_etc_hosts": True}
    if machine.ssh_public_key:
        config["ssh_authorized_keys"] = [machine.ssh_public_key]
    if machine.boot.password:
        config |= _with_password(machine.boot.username, machine.boot.password, machine.ssh_public_key)
    return b"#cloud-config\n" + json.dumps(config, indent=2).encode() + b"\n"


def plain(user_data: str) -> bytes:
    """User data as it is kept, in base64, or as it stands if it is none."""
    try:
        return base64.b64decode(user_data, validate=True)
    except binascii.Error:
        return user_data.encode()


def host_name(name: str) -> str:
    """A name as a host may have it (RFC 1123)."""
    fitting = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name.lower())
    return fitting.strip("-")[:63] or "machine"


def _with_password(username: str | None, password: str, key: str | None) -> dict[str, Any]:
    secret = password.encode()
    if len(secret) > LONGEST:
        raise DriverError(f"A password may have {LONGEST} bytes at most", retryable=False)
    hashed = bcrypt.hashpw(secret, bcrypt.gensalt(10)).decode()
    if not username:
        return {"password": hashed, "chpasswd": {"expire": False}, "ssh_pwauth": True}
    user = {"name": username, "hashed_passwd": hashed, "lock_passwd": False, "shell": "/bin/bash"}
    keys = {"ssh_authorized_keys": [key]} if key else {}
    return {"users": ["default", {**user, **keys, "sudo": "ALL=(ALL) NOPASSWD:ALL"}], "ssh_pwauth": True}


def _meta_data(machine: Machine) -> str:
    facts: dict[str, Any] = {"instance-id": machine.id, "local-hostname": host_name(machine.name)}
    if machine.ssh_public_key:
        facts["public-keys"] = [machine.ssh_public_key]
    return json.dumps(facts, indent=2)


def _network(nics: Sequence[Nic], subnets: Sequence[SubnetSpec]) -> str:
    """Each interface by its MAC address: asking for its address where the subnet tells it, else having it."""
    cards = {f"nic{at}": _card(nic, subnets) for at, nic in enumerate(nics)}
    return json.dumps({"version": 2, "ethernets": cards}, indent=2)


def _card(nic: Nic, subnets: Sequence[SubnetSpec]) -> dict[str, Any]:
    asks, has, routes = False, [], []
    for address in nic.addresses:
        subnet = _subnet(address, nic.network_id, subnets)
        version = ip_address(address).version
        if version == 4 and (subnet is None or subnet.enable_dhcp):  # of the Internet Protocol
            asks = True
            continue
        length = ip_network(subnet.cidr).prefixlen if subnet else 64
        has.append(str(ip_interface(f"{address}/{length}")))
        if subnet and subnet.gateway_ip:
            routes.append({"to": "default", "via": subnet.gateway_ip})
    card = {"match": {"macaddress": nic.mac_address}, "dhcp4": asks, "dhcp6": False}
    return card | ({"addresses": has} if has else {}) | ({"routes": routes} if routes else {})


def _subnet(address: str, network_id: str, subnets: Sequence[SubnetSpec]) -> SubnetSpec | None:
    here = (each for each in subnets if each.network_id == network_id)
    return next((each for each in here if ip_address(address) in ip_network(each.cidr)), None)
